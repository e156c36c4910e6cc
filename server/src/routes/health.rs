//! `GET /healthz`: whether the manager answers. Says nothing else, since it needs no login.

/// 200 with `ok`.
pub async fn handle() -> &'static str {
    "ok\n"
}
