//! The dashboard's files, embedded at build time from `ui/dist` and answered with the best encoding that the client
//! accepts. File names carry a hash of the content, so a browser may keep every answer for ever.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::encoding::{Encoding, Preferences};

/// A year, the longest that caches honour: under this name the bytes never change.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// One file of `ui/dist` with its compressed copies.
#[derive(Debug)]
struct EmbeddedFile {
    /// Name without hash, such as `aurochs.js`.
    logical: &'static str,
    /// Name in `ui/dist` and in the URL, such as `aurochs-0123456789abcdef.js`.
    name: &'static str,
    plain: &'static [u8],
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

static FILES: &[EmbeddedFile] = include!(concat!(env!("OUT_DIR"), "/embedded_assets.rs"));

/// Logical names (`aurochs.js`) and the hashed names that the page has to link.
#[derive(Debug, Clone, Copy)]
pub struct Manifest(&'static [EmbeddedFile]);

/// The embedded files. Empty if the manager was built before the dashboard.
pub fn manifest() -> Manifest {
    Manifest(FILES)
}

/// Answers `path`, a hashed file name without leading slash; None if no such file is embedded.
///
/// The answer is 200 with the encoding that `request` likes best, or 304 if the client already has it.
pub fn respond(path: &str, request: &HeaderMap) -> Option<Response> {
    respond_from(FILES, path, request)
}

// === impl Manifest ===

impl Manifest {
    /// True if no dashboard was built into this binary; `make ui` and a rebuild help.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The hashed name to link for a logical name.
    pub fn file(self, logical: &str) -> Option<&'static str> {
        self.0.iter().find(|file| file.logical == logical).map(|file| file.name)
    }

    /// The content of a file by its logical name.
    pub fn plain(self, logical: &str) -> Option<&'static [u8]> {
        self.0.iter().find(|file| file.logical == logical).map(|file| file.plain)
    }
}

// === impl EmbeddedFile ===

impl EmbeddedFile {
    fn encoded(&self, encoding: Encoding) -> Option<&'static [u8]> {
        match encoding {
            Encoding::Brotli => self.brotli,
            Encoding::Gzip => self.gzip,
            Encoding::Identity => Some(self.plain),
        }
    }

    fn best(&self, preferences: &Preferences) -> (Encoding, &'static [u8]) {
        preferences
            .best_first()
            .find_map(|encoding| Some((encoding, self.encoded(encoding)?)))
            // A client that refuses everything is better served than turned away (RFC 9110, 12.5.3).
            .unwrap_or((Encoding::Identity, self.plain))
    }

    /// Strong, so it differs between encodings: the bytes do.
    fn entity_tag(&self, encoding: Encoding) -> String {
        format!("\"{}{}\"", self.name, encoding.token().map_or(String::new(), |token| format!("+{token}")))
    }
}

fn respond_from(files: &[EmbeddedFile], path: &str, request: &HeaderMap) -> Option<Response> {
    let file = files.iter().find(|file| file.name == path)?;
    let (encoding, bytes) = file.best(&Preferences::of(request));
    let entity_tag = file.entity_tag(encoding);
    let known = client_has(request, &entity_tag);

    let mut response = Response::new(if known { Body::empty() } else { Body::from(bytes) });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, FOREVER);
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(entity_tag) = HeaderValue::try_from(entity_tag) {
        headers.insert(header::ETAG, entity_tag);
    }
    if !known {
        headers.insert(header::CONTENT_TYPE, content_type(path));
        if let Some(token) = encoding.token() {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(token));
        }
    }
    Some(response)
}

/// `If-None-Match` compares weakly: a proxy may have put `W/` in front.
fn client_has(request: &HeaderMap, entity_tag: &str) -> bool {
    request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == entity_tag || tag == "*")
}

/// Browsers compile wasm while it loads only under exactly `application/wasm`.
fn content_type(path: &str) -> HeaderValue {
    let guessed = mime_guess::from_path(path).first_raw();
    HeaderValue::from_static(match guessed {
        Some("text/javascript") => "text/javascript; charset=utf-8",
        Some("text/css") => "text/css; charset=utf-8",
        Some("text/plain") => "text/plain; charset=utf-8",
        Some(known) => known,
        None => "application/octet-stream",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: &[EmbeddedFile] = &[
        EmbeddedFile {
            logical: "aurochs.wasm",
            name: "aurochs-01.wasm",
            plain: b"plain",
            brotli: Some(b"br"),
            gzip: Some(b"gz"),
        },
        EmbeddedFile { logical: "inter.woff2", name: "inter-02.woff2", plain: b"font", brotli: None, gzip: None },
    ];

    fn request(headers: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    fn encoding_for(path: &str, accept: &'static str) -> Option<String> {
        let response = respond_from(FILES, path, &request(&[(header::ACCEPT_ENCODING, accept)])).unwrap();
        let value = response.headers().get(header::CONTENT_ENCODING)?;
        Some(value.to_str().unwrap().to_owned())
    }

    async fn body(response: Response) -> Vec<u8> {
        axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()
    }

    #[tokio::test]
    async fn a_browser_gets_brotli_that_it_may_keep() {
        let headers = request(&[(header::ACCEPT_ENCODING, "gzip, deflate, br, zstd")]);
        let response = respond_from(FILES, "aurochs-01.wasm", &headers).unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/wasm");
        assert_eq!(response.headers()[header::CONTENT_ENCODING], "br");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
        assert_eq!(response.headers()[header::VARY], "accept-encoding");
        assert_eq!(body(response).await, b"br");
    }

    #[test]
    fn weights_decide_and_missing_copies_fall_back_to_plain() {
        assert_eq!(encoding_for("aurochs-01.wasm", "br;q=0.2, gzip;q=0.9").as_deref(), Some("gzip"));
        assert_eq!(encoding_for("aurochs-01.wasm", "br;q=0, gzip"), Some("gzip".to_owned()));
        assert_eq!(encoding_for("aurochs-01.wasm", "deflate"), None);
        assert_eq!(encoding_for("aurochs-01.wasm", "identity;q=0, br;q=0"), None);
        assert_eq!(encoding_for("inter-02.woff2", "br, gzip"), None);
    }

    #[tokio::test]
    async fn a_known_file_is_not_sent_again() {
        let first = respond_from(FILES, "aurochs-01.wasm", &request(&[(header::ACCEPT_ENCODING, "br")])).unwrap();
        let mut again = request(&[(header::ACCEPT_ENCODING, "br")]);
        again.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        let second = respond_from(FILES, "aurochs-01.wasm", &again).unwrap();
        assert_eq!(second.status(), StatusCode::NOT_MODIFIED);
        assert!(body(second).await.is_empty());

        again.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        let other_encoding = respond_from(FILES, "aurochs-01.wasm", &again).unwrap();
        assert_eq!(other_encoding.status(), StatusCode::OK, "the tag belongs to the brotli bytes only");
    }

    #[test]
    fn only_embedded_names_are_answered() {
        for path in ["", "aurochs.wasm", "../Cargo.toml", "aurochs-01.wasm.br", "/aurochs-01.wasm"] {
            assert!(respond_from(FILES, path, &HeaderMap::new()).is_none(), "{path:?} was answered");
        }
    }

    #[test]
    fn the_manifest_links_logical_names_to_files_that_are_answered() {
        let manifest = Manifest(FILES);
        assert_eq!(manifest.file("aurochs.wasm"), Some("aurochs-01.wasm"));
        assert_eq!(manifest.file("else.js"), None);
        assert!(!manifest.is_empty());
        assert!(Manifest(&[]).is_empty());
    }

    /// What this very binary embeds, whether the dashboard was built before it or not.
    #[test]
    fn every_embedded_file_is_served_under_its_hashed_name() {
        for file in super::FILES {
            let response = respond(file.name, &HeaderMap::new()).unwrap();
            assert_ne!(response.headers()[header::CONTENT_TYPE], "application/octet-stream", "{}", file.name);
            assert_ne!(file.name, file.logical);
        }
    }
}
