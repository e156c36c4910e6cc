//! Longhorn's conventions on the wire: links, errors, redirects.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};

use crate::harness::{Manager, PASSWORD, USER, basic};

#[tokio::test]
async fn errors_have_longhorns_body() {
    let manager = Manager::start().await;
    for (method, path, status, code) in [
        ("GET", "/v1/nowhere", 404, "Not Found"),
        ("DELETE", "/v1/session", 405, "Method Not Allowed"),
        ("GET", "/assets/missing.js", 404, "Not Found"),
    ] {
        let answer = manager.call(method, path, "").await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}");
        let body = answer.json();
        assert_eq!(body["type"], "error");
        assert_eq!(body["status"], status);
        assert_eq!(body["code"], code);
        assert!(!body["message"].as_str().unwrap().is_empty() && !body["detail"].as_str().unwrap().is_empty());
        assert_eq!(body["links"]["self"], format!("http://manager:9500{path}"));
        assert_eq!(body["actions"], serde_json::json!({}));
        assert!(answer.header(header::CONTENT_TYPE).starts_with("application/json"));
    }
    assert!(manager.call("DELETE", "/v1/session", "").await.header(header::ALLOW).contains("GET"));
}

#[tokio::test]
async fn links_follow_the_proxy() {
    let manager = Manager::start().await;
    for (headers, base) in [
        (&[("x-forwarded-proto", "https"), ("x-forwarded-host", "storage.example")][..], "https://storage.example"),
        (&[("x-forwarded-host", "storage.example:8080")], "http://storage.example:8080"),
        (&[("x-forwarded-prefix", "/storage")], "http://manager:9500/storage"),
        (&[("x-api-request-url", "https://a.example/p/v1/session")], "https://a.example/p"),
    ] {
        let mut request = Request::get("/v1/session").header(header::HOST, "manager:9500");
        request = request.header(header::AUTHORIZATION, basic(USER, PASSWORD));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = manager.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.json()["links"]["self"], format!("{base}/v1/session"), "{headers:?}");
    }
}

#[tokio::test]
async fn a_slash_at_the_end_is_redirected_away() {
    let manager = Manager::start().await;
    let answer = manager.get("/v1/session/?x=1").await;
    assert_eq!(answer.status, StatusCode::MOVED_PERMANENTLY);
    assert_eq!(answer.header(header::LOCATION), "../session?x=1");
}

#[tokio::test]
async fn answers_carry_security_headers_and_a_request_id() {
    let manager = Manager::start().await;
    for path in ["/v1/session", "/volumes", "/v1/nowhere"] {
        let answer = manager.get(path).await;
        assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{path}");
        assert!(answer.header(header::CONTENT_SECURITY_POLICY).contains("frame-ancestors 'self'"), "{path}");
        assert!(!answer.header("x-request-id").is_empty(), "{path}");
        assert!(answer.headers.contains_key(header::REFERRER_POLICY), "{path}");
    }
}

#[tokio::test]
async fn pages_find_their_root_at_every_depth() {
    let manager = Manager::start().await;
    for (path, root) in [("/volumes", "./"), ("/volumes/data", "../"), ("/a/b/c", "../../")] {
        let answer = manager.get(path).await;
        assert!(answer.text.contains(&format!("<base href=\"{root}\">")), "{path}: {}", answer.text);
    }
}

/// Whether this build has the dashboard or not: the page says so, or links files that are there.
#[tokio::test]
async fn the_page_loads_what_is_embedded() {
    let manager = Manager::start().await;
    let page = manager.get("/volumes").await;
    if page.status == StatusCode::SERVICE_UNAVAILABLE {
        assert!(page.text.contains("built without its dashboard"), "{}", page.text);
        return;
    }
    let nonce =
        page.header(header::CONTENT_SECURITY_POLICY).split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert_eq!(page.text.matches("<script").count(), page.text.matches(&format!("nonce=\"{nonce}\">")).count() - 1);
    for file in page.text.split("href=\"assets/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        let answer = manager.get(&format!("/assets/{file}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{file}");
        assert!(answer.header(header::CACHE_CONTROL).contains("immutable"), "{file}");
    }
}

/// Who opens an address of the API in a browser can read it and follow its links; a script in the same browser gets JSON.
#[tokio::test]
async fn a_browser_gets_a_page_with_links() {
    let manager = Manager::start().await;
    let get = async |path: &str, headers: &[(&'static str, &'static str)]| {
        let mut request = Request::get(path).header(header::HOST, "manager:9500");
        request = request.header(header::AUTHORIZATION, basic(USER, PASSWORD));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        manager.send(request.body(Body::empty()).unwrap()).await
    };
    const BROWSER: (&str, &str) = ("user-agent", "Mozilla/5.0");
    let page = get("/v1", &[BROWSER, ("accept", "text/html,*/*;q=0.8")]).await;
    assert_eq!(page.header(header::CONTENT_TYPE), "text/html; charset=utf-8");
    assert!(page.text.contains("<a href=\"http://manager:9500/v1/volumes\">"), "{}", page.text);
    assert_eq!(page.header("x-api-schemas"), "http://manager:9500/v1/schemas");
    let refused = get("/v1/volumes/nothing", &[BROWSER]).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    assert!(refused.text.contains("there is no volume"), "{}", refused.text);
    for script in [("sec-fetch-dest", "empty"), ("x-requested-with", "XMLHttpRequest"), ("accept", "application/json")]
    {
        assert_eq!(get("/v1", &[BROWSER, script]).await.json()["type"], "apiVersion", "{script:?}");
    }
    assert!(get("/v1?_format=html", &[]).await.text.starts_with("<!DOCTYPE html>"));
    assert_eq!(get("/v1?_format=json", &[BROWSER]).await.json()["type"], "apiVersion");
}
