//! HTML mode: who opens an address of the API in a browser gets its JSON as a page with links that can be followed.
//!
//! Longhorn's rule: `?_format=html` or `=json` says it; else a browser's `User-Agent` (`Mozilla`) with an `Accept` that is
//! empty or takes everything. Scripts in a page look the same by that rule, so what browsers themselves say about scripts
//! (`Sec-Fetch-Dest`, `X-Requested-With`) keeps the JSON for them.

use std::fmt::Write;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::Value;

use super::request_url::RequestUrl;

/// A larger answer stays JSON: no browser shows such a page.
const SIZE_MAXIMUM_BYTES: u64 = 4 << 20;
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// Middleware: makes pages of JSON for those who want them.
pub async fn render(url: RequestUrl, mut request: Request, next: Next) -> Response {
    let wanted = is_api(request.uri().path()) && wants_page(request.uri(), request.headers());
    let title = request.uri().path().to_owned();
    if wanted {
        // The page is made of the plain answer; what goes over the wire is packed outside of here.
        request.headers_mut().remove(header::ACCEPT_ENCODING);
    }
    let response = next.run(request).await;
    if wanted && is_json(&response) { as_page(response, &title, &url).await } else { response }
}

fn is_api(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/")
}

fn wants_page(uri: &Uri, headers: &HeaderMap) -> bool {
    let said =
        uri.query().into_iter().flat_map(|query| query.split('&')).find_map(|pair| pair.strip_prefix("_format="));
    match said.map(str::to_lowercase).as_deref() {
        Some("html") => return true,
        Some("json") => return false,
        _ => {}
    }
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let accept = text(header::ACCEPT);
    let is_browser = text(header::USER_AGENT).to_lowercase().contains("mozilla");
    let takes_everything = accept.is_empty() || accept.contains("*/*");
    is_browser && takes_everything && !is_script(headers)
}

/// What a page's script asks for. Browsers that don't tell are taken at Longhorn's rule.
fn is_script(headers: &HeaderMap) -> bool {
    let destination = headers.get("sec-fetch-dest").and_then(|value| value.to_str().ok());
    headers.contains_key("x-requested-with") || destination.is_some_and(|destination| destination != "document")
}

/// Answers of unknown length (files that are sent piece by piece) and packed ones stay what they are.
fn is_json(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_small = response.body().size_hint().exact().is_some_and(|size| size <= SIZE_MAXIMUM_BYTES);
    kind.starts_with("application/json") && is_small && !response.headers().contains_key(header::CONTENT_ENCODING)
}

async fn as_page(response: Response, title: &str, url: &RequestUrl) -> Response {
    let (mut parts, body) = response.into_parts();
    // It is in memory as a whole and small, see above; reading it can't fail.
    let bytes = axum::body::to_bytes(body, usize::try_from(SIZE_MAXIMUM_BYTES).unwrap_or(usize::MAX)).await;
    let bytes = bytes.unwrap_or_default();
    let Ok(value) = serde_json::from_slice(&bytes) else { return Response::from_parts(parts, Body::from(bytes)) };
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HTML);
    Response::from_parts(parts, Body::from(page(title, &value, url.base())))
}

fn page(title: &str, value: &Value, base: &str) -> String {
    let title = escaped(title);
    let mut text =
        format!("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>");
    let _ = write!(text, "<body><h1>{title}</h1>\n<pre>");
    let links = format!("{base}/v1");
    write_value(&mut text, value, &links, 0);
    text.push_str("</pre></body></html>\n");
    text
}

/// JSON with indentation; texts that are addresses of ours can be followed. serde_json reads no more than 128 levels, so
/// that this can't go deeper either.
fn write_value(text: &mut String, value: &Value, links: &str, depth: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let rows = fields.iter().map(|(name, field)| (Some(name), field));
            write_rows(text, ("{", "}"), rows, links, depth);
        }
        Value::Array(items) if !items.is_empty() => {
            write_rows(text, ("[", "]"), items.iter().map(|item| (None, item)), links, depth);
        }
        Value::String(address) if address.starts_with(links) => {
            let address = escaped(address);
            let _ = write!(text, "\"<a href=\"{address}\">{address}</a>\"");
        }
        other => text.push_str(&escaped(&other.to_string())),
    }
}

fn write_rows<'a>(
    text: &mut String,
    (open, close): (&str, &str),
    rows: impl Iterator<Item = (Option<&'a String>, &'a Value)>,
    links: &str,
    depth: usize,
) {
    text.push_str(open);
    let indentation = "  ".repeat(depth + 1);
    for (number, (name, value)) in rows.enumerate() {
        text.push_str(if number == 0 { "\n" } else { ",\n" });
        text.push_str(&indentation);
        if let Some(name) = name {
            let _ = write!(text, "{}: ", escaped(&Value::from(name.as_str()).to_string()));
        }
        write_value(text, value, links, depth + 1);
    }
    let _ = write!(text, "\n{}{close}", "  ".repeat(depth));
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_gets_a_page() {
        const FIREFOX: &str = "Mozilla/5.0 (X11; Linux) Firefox/140.0";
        for (query, agent, accept, script, wanted) in [
            ("", FIREFOX, "text/html,*/*;q=0.8", None, true),
            ("", FIREFOX, "", None, true),
            ("", FIREFOX, "application/json", None, false),
            ("", FIREFOX, "*/*", Some(("sec-fetch-dest", "empty")), false),
            ("", FIREFOX, "*/*", Some(("sec-fetch-dest", "document")), true),
            ("", FIREFOX, "*/*", Some(("x-requested-with", "XMLHttpRequest")), false),
            ("", "curl/8.0", "*/*", None, false),
            ("", "", "", None, false),
            ("?_format=html", "curl/8.0", "*/*", None, true),
            ("?a=b&_format=JSON", FIREFOX, "*/*", None, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            if let Some((name, value)) = script {
                headers.insert(name, HeaderValue::from_static(value));
            }
            let uri: Uri = format!("/v1/volumes{query}").parse().unwrap();
            assert_eq!(wants_page(&uri, &headers), wanted, "{query:?} {agent:?} {accept:?} {script:?}");
        }
    }

    #[test]
    fn nothing_in_the_json_becomes_markup() {
        let evil =
            json!({"<b>": "</pre><script>alert(1)</script>", "links": {"self": "http://m/v1/\"><img>"}, "none": []});
        let page = page("/v1/<i>", &evil, "http://m");
        for bad in ["<b>", "<script", "<img", "<i>", "/v1/\">"] {
            assert!(!page.contains(bad), "{bad} in {page}");
        }
        assert!(page.contains("<a href=\"http://m/v1/&quot;&gt;&lt;img&gt;\">"), "{page}");
        assert!(page.contains("&quot;none&quot;: []"), "{page}");
    }
}
