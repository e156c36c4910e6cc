//! Who gets in, how, and who does not.

use aurochs_server::router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};

use crate::harness::{Answer, Manager, PASSWORD, USER, basic};

/// A request with these headers.
fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, "manager:9500");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

async fn log_in(manager: &Manager, headers: &[(&str, &str)], form: &str) -> Answer {
    let headers: Vec<_> = [&[FORM], headers].concat();
    manager.send(request("POST", "/login", &headers, form)).await
}

/// Logs in as ann; the cookie as the browser sends it back.
async fn cookie(manager: &Manager) -> String {
    let answer = log_in(manager, &[], "user=ann&password=correct+horse").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
    answer.header(header::SET_COOKIE).split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn every_route_refuses_without_login() {
    let manager = Manager::start().await;
    let open = ["/healthz", "/login"];
    let table = router::table();
    assert!(table.entries().len() > 4);
    for (method, pattern) in table.entries() {
        if open.contains(&pattern.as_str()) {
            continue;
        }
        let path: String =
            pattern.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect::<Vec<_>>().join("/");
        let answer = manager.send(request(method.as_str(), &path, &[], "")).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
        assert_eq!(answer.json()["type"], "error", "{method} {path}");
        assert!(answer.header(header::WWW_AUTHENTICATE).starts_with("Basic"), "{method} {path}");
    }
    for path in ["/nowhere", "/v1/nowhere", "/assets/app.js", "/v1/volumes/", "//v1/volumes", "/healthz/x", "/login/"] {
        let answer = manager.send(request("GET", path, &[], "")).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn health_and_the_login_page_need_no_login() {
    let manager = Manager::start().await;
    assert_eq!(manager.send(request("GET", "/healthz", &[], "")).await.text, "ok\n");
    let page = manager.send(request("GET", "/login?next=volumes/data", &[("accept", "text/html")], "")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("name=\"password\"") && page.text.contains("value=\"volumes/data\""), "{}", page.text);
    assert!(!page.text.contains("<script"), "the page works without scripts");
    assert!(page.header(header::CONTENT_SECURITY_POLICY).contains("frame-ancestors 'self'"));
}

#[tokio::test]
async fn the_login_page_speaks_the_browsers_language() {
    let manager = Manager::start().await;
    let chinese = [("accept", "text/html"), ("accept-language", "zh-CN,zh;q=0.9")];
    let page = manager.send(request("GET", "/login", &chinese, "")).await;
    assert!(page.text.contains("lang=\"zh-Hans\"") && page.text.contains("登录"), "{}", page.text);
    let refused = log_in(&manager, &[("accept-language", "zh-CN")], "user=ann&password=wrong").await;
    assert!(refused.text.contains("用户名或密码错误。"), "{}", refused.text);
    let refused = log_in(&manager, &[], "user=ann&password=wrong").await;
    assert!(refused.text.contains("The user name or the password is wrong."), "{}", refused.text);
}

#[tokio::test]
async fn a_browser_is_sent_to_the_login_page_and_back() {
    let manager = Manager::start().await;
    let html = [("accept", "text/html,*/*;q=0.8")];
    for (path, location) in [
        ("/", "./login"),
        ("/volumes", "./login?next=volumes"),
        ("/volumes/a?tab=b&c=d", "../login?next=volumes/a?tab=b%26c=d"),
    ] {
        let answer = manager.send(request("GET", path, &html, "")).await;
        assert_eq!((answer.status, answer.header(header::LOCATION)), (StatusCode::SEE_OTHER, location), "{path}");
    }
    let answer = log_in(&manager, &[], "user=ann&password=correct+horse&next=volumes/a").await;
    assert_eq!(answer.header(header::LOCATION), "./volumes/a");
    let answer = log_in(&manager, &[], "user=ann&password=correct+horse&next=//evil.example/").await;
    assert_eq!(answer.header(header::LOCATION), "./evil.example/", "stays below our root");
}

#[tokio::test]
async fn a_link_from_another_site_finds_the_session_on_the_second_try() {
    let manager = Manager::start().await;
    let headers = [("accept", "text/html"), ("sec-fetch-site", "cross-site")];
    let answer = manager.send(request("GET", "/volumes", &headers, "")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.text.contains("http-equiv=\"refresh\""));
}

#[tokio::test]
async fn the_challenge_is_not_for_pages() {
    let manager = Manager::start().await;
    for headers in [&[("x-requested-with", "XMLHttpRequest")], &[("sec-fetch-mode", "cors")]] {
        let answer = manager.send(request("GET", "/v1/session", headers, "")).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(!answer.headers.contains_key(header::WWW_AUTHENTICATE), "{headers:?}");
    }
}

#[tokio::test]
async fn basic_and_cookie_tell_who_is_there() {
    let manager = Manager::start().await;
    let auth = basic(USER, PASSWORD);
    let session = manager.send(request("GET", "/v1/session", &[("authorization", &auth)], "")).await;
    assert_eq!(session.json()["user"], USER);
    let cookie = cookie(&manager).await;
    let session = manager.send(request("GET", "/v1/session", &[("cookie", &cookie)], "")).await;
    assert_eq!((session.status, session.json()["user"].as_str()), (StatusCode::OK, Some(USER)));
    assert!(!session.text.contains(PASSWORD));
}

#[tokio::test]
async fn cookie_flags() {
    let manager = Manager::start().await;
    let plain = log_in(&manager, &[], "user=ann&password=correct+horse").await;
    let flags = plain.header(header::SET_COOKIE);
    assert!(flags.contains("HttpOnly") && flags.contains("SameSite=Strict"), "{flags}");
    assert!(!flags.contains("Secure") && !flags.contains("Path="), "{flags}");
    let form = "user=ann&password=correct+horse";
    let said = log_in(&manager, &[("x-forwarded-proto", "https")], form).await;
    assert!(!said.header(header::SET_COOKIE).contains("Secure"), "nobody named this proxy");
    manager.app.auth.trust_proxies(["10.0.0.7".parse().unwrap()].into_iter().collect());
    let mut proxied = request("POST", "/login", &[FORM, ("x-forwarded-proto", "https")], form);
    let peer: std::net::SocketAddr = "10.0.0.7:1".parse().unwrap();
    proxied.extensions_mut().insert(axum::extract::ConnectInfo(peer));
    assert!(manager.send(proxied).await.header(header::SET_COOKIE).contains("Secure"));
}

#[tokio::test]
async fn the_token_itself_is_not_in_the_database() {
    let manager = Manager::start().await;
    let cookie = cookie(&manager).await;
    let token = cookie.split_once('=').unwrap().1;
    for entry in std::fs::read_dir(manager.directory.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(token.len()).any(|window| window == token.as_bytes()));
    }
}

#[tokio::test]
async fn logging_out_ends_the_session_for_good() {
    let manager = Manager::start().await;
    let cookie = cookie(&manager).await;
    let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
    let answer = manager.send(request("POST", "/logout", &headers, "")).await;
    assert_eq!((answer.status, answer.header(header::LOCATION)), (StatusCode::SEE_OTHER, "login"));
    assert!(answer.header(header::SET_COOKIE).contains("Max-Age=0"));
    let answer = manager.send(request("GET", "/v1/session", &headers, "")).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_changed_password_ends_sessions_and_a_removed_user_is_out() {
    let manager = Manager::start().await;
    let cookie = cookie(&manager).await;
    // What a WebSocket keeps of who opened it with a password.
    let opened = manager.app.auth.check_password(USER, PASSWORD, std::net::IpAddr::from([127, 0, 0, 1])).await.unwrap();
    assert!(manager.app.auth.is_still_in(&opened).await);
    let users = format!("ann:{}\n", bcrypt::hash("another one", 4).unwrap());
    std::fs::write(manager.directory.path().join("users"), users).unwrap();
    // The file is looked at once a second.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while manager.send(request("GET", "/v1/session", &[("cookie", &cookie)], "")).await.status == StatusCode::OK {
        assert!(std::time::Instant::now() < deadline, "the change is not noticed");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(!manager.app.auth.is_still_in(&opened).await, "its WebSocket is closed, too");
    for (user, password) in [(USER, PASSWORD), ("bob", "bob's password")] {
        let auth = basic(user, password);
        let answer = manager.send(request("GET", "/v1/session", &[("authorization", &auth)], "")).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{user}");
    }
    let auth = basic(USER, "another one");
    assert_eq!(
        manager.send(request("GET", "/v1/session", &[("authorization", &auth)], "")).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_wrong_login_shows_the_form_again_with_the_reason() {
    let manager = Manager::start().await;
    let answer = log_in(&manager, &[], "user=ann%22%3E%3Cb%3E&password=secret-typo&next=nodes").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.text.contains("is wrong"));
    assert!(!answer.text.contains("secret-typo"), "a password never comes back");
    assert!(!answer.text.contains("\"><b>"), "what was typed is escaped");
    assert!(answer.text.contains("value=\"nodes\""));
}

#[tokio::test]
async fn guessing_is_slowed_down_for_the_guesser_only() {
    let manager = Manager::start().await;
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(log_in(&manager, &[], "user=ann&password=wrong").await.status);
    }
    assert_eq!(statuses[0], StatusCode::UNAUTHORIZED);
    assert_eq!(statuses[5], StatusCode::TOO_MANY_REQUESTS);
    let blocked = log_in(&manager, &[], "user=ann&password=correct+horse").await;
    assert_eq!(blocked.status, StatusCode::TOO_MANY_REQUESTS, "the right password has to wait, too");
    assert!(blocked.header(header::RETRY_AFTER).parse::<u64>().unwrap() >= 1);
    assert!(blocked.text.contains("Wait"), "the page says so");
    let other = log_in(&manager, &[], "user=bob&password=bob%27s+password").await;
    assert_eq!(other.status, StatusCode::SEE_OTHER);
    let auth = basic(USER, PASSWORD);
    let api = manager.send(request("GET", "/v1/session", &[("authorization", &auth)], "")).await;
    assert_eq!((api.status, api.json()["status"].as_u64()), (StatusCode::TOO_MANY_REQUESTS, Some(429)));
}

#[tokio::test]
async fn unknown_users_are_answered_like_wrong_passwords() {
    let manager = Manager::start().await;
    let known = log_in(&manager, &[], "user=ann&password=wrong").await;
    let unknown = log_in(&manager, &[], "user=eve&password=wrong").await;
    let without_nonce = |text: &str| text.lines().filter(|line| !line.contains("nonce")).collect::<String>();
    assert_eq!(known.status, unknown.status);
    assert_eq!(without_nonce(&known.text).replace("ann", "eve"), without_nonce(&unknown.text));
}

#[tokio::test]
async fn other_sites_change_nothing() {
    let manager = Manager::start().await;
    let cookie = cookie(&manager).await;
    let cookie = ("cookie", cookie.as_str());
    let auth = basic(USER, PASSWORD);
    for headers in [
        &[cookie][..],
        &[cookie, ("sec-fetch-site", "cross-site")],
        &[cookie, ("sec-fetch-site", "same-site")],
        &[cookie, ("origin", "http://evil.example")],
        &[cookie, ("origin", "http://manager:9501")],
        &[("authorization", &auth), ("sec-fetch-site", "cross-site")],
        &[("authorization", &auth), ("origin", "http://evil.example")],
    ] {
        let answer = manager.send(request("POST", "/logout", headers, "")).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}");
        assert!(!answer.json()["detail"].as_str().unwrap().is_empty());
    }
    let upgrade = [cookie, ("upgrade", "websocket"), ("origin", "http://evil.example")];
    assert_eq!(manager.send(request("GET", "/v1/session", &upgrade, "")).await.status, StatusCode::FORBIDDEN);
    let foreign_login = log_in(&manager, &[("origin", "http://evil.example")], "user=ann&password=correct+horse").await;
    assert_eq!(foreign_login.status, StatusCode::FORBIDDEN);
    let ours = [cookie, ("x-requested-with", "XMLHttpRequest")];
    assert_eq!(manager.send(request("POST", "/logout", &ours, "")).await.status, StatusCode::SEE_OTHER);
}

/// Anybody in the network can claim to be a proxy.
#[tokio::test]
async fn only_a_named_proxy_speaks_for_others() {
    let manager = Manager::start().await;
    manager.app.auth.trust_proxies(["10.0.0.7".parse().unwrap()].into_iter().collect());
    let guess = async |peer: &str, number: usize| {
        let form = "user=ann&password=wrong";
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let mut request = request("POST", "/login", &headers, form);
        request.headers_mut().insert("x-forwarded-for", format!("192.0.2.{number}").parse().unwrap());
        let peer: std::net::SocketAddr = peer.parse().unwrap();
        request.extensions_mut().insert(axum::extract::ConnectInfo(peer));
        manager.send(request).await.status
    };
    let mut statuses = Vec::new();
    for number in 0..6 {
        statuses.push(guess("10.0.0.8:1", number).await);
    }
    assert_eq!(statuses[5], StatusCode::TOO_MANY_REQUESTS, "a neighbour is one client, whatever it says: {statuses:?}");
    for number in 100..105 {
        assert_eq!(guess("10.0.0.7:1", number).await, StatusCode::UNAUTHORIZED, "each client of a proxy for itself");
    }
}

/// A full disk, or somebody who has the file locked.
#[tokio::test]
async fn a_database_that_takes_no_writes_logs_nobody_out() {
    let manager = Manager::start().await;
    let cookie = cookie(&manager).await;
    let path = manager.directory.path().join("aurochs.db");
    let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", path.display())).await.unwrap();
    // As if it was last seen an hour ago: then its use is to be noted.
    sqlx::query("UPDATE sessions SET seen_at = seen_at - 3600").execute(&pool).await.unwrap();
    let full =
        "CREATE TRIGGER full BEFORE UPDATE ON sessions BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END";
    sqlx::query(full).execute(&pool).await.unwrap();
    let answer = manager.send(request("GET", "/v1/session", &[("cookie", &cookie)], "")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

#[tokio::test]
async fn many_requests_of_one_script_pay_for_one_check() {
    let manager = Manager::start().await;
    let auth = basic(USER, PASSWORD);
    let requests = (0..50).map(|_| manager.send(request("GET", "/v1/session", &[("authorization", &auth)], "")));
    for answer in futures::future::join_all(requests).await {
        assert_eq!(answer.status, StatusCode::OK);
    }
}

/// As people make their users: by the program itself, and by ours.
#[tokio::test]
async fn users_made_by_htpasswd_log_in() {
    let manager = Manager::start().await;
    let users = manager.directory.path().join("users");
    let made = std::process::Command::new("htpasswd")
        .args(["-B", "-b", "-C", "5"])
        .arg(&users)
        .args(["kim", "kim's password"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while manager.call_as(("kim", "kim's password"), "GET", "/v1/session", "").await.status != StatusCode::OK {
        assert!(std::time::Instant::now() < deadline, "kim can't log in");
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    }
    let session = manager.call_as(("kim", "kim's password"), "GET", "/v1/session", "").await.json();
    assert_eq!(session["role"], "admin", "as behind Longhorn's ingress");
}

/// Generous, and a wall all the same.
#[tokio::test]
async fn a_client_that_runs_wild_is_told_to_wait() {
    let manager = Manager::start().await;
    manager.app.auth.limit_requests(1);
    let mut answers = Vec::new();
    // Twenty at once; on a slow machine some more have come by then.
    while answers.last().is_none_or(|answer: &Answer| answer.status == StatusCode::OK) {
        assert!(answers.len() < 1000, "there is no wall");
        answers.push(manager.get("/v1/session").await);
    }
    let answer = answers.pop().unwrap();
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{answer:?}");
    assert!(answers.len() >= 20, "{}", answers.len());
    assert_eq!(answer.header(header::RETRY_AFTER), "1");
    assert_eq!(
        manager.call_as(crate::harness::VIEWER, "GET", "/v1/session", "").await.status,
        StatusCode::OK,
        "others go on"
    );
    for _ in 0..50 {
        assert_eq!(manager.send(request("GET", "/healthz", &[], "")).await.status, StatusCode::OK);
    }
}

/// A browser sends a proxy's own password (nginx with `auth_basic`) on to us with each request.
#[tokio::test]
async fn a_password_of_a_proxy_before_us_is_no_hindrance() {
    let manager = Manager::start().await;
    let porter = basic("porter", "knock three times");
    let page = [("accept", "text/html"), ("authorization", porter.as_str())];
    // More openings of the page than anybody has wrong passwords.
    for _ in 0..15 {
        let answer = manager.send(request("GET", "/volumes", &page, "")).await;
        assert_eq!(
            (answer.status, answer.header(header::LOCATION)),
            (StatusCode::SEE_OTHER, "./login?next=volumes"),
            "{answer:?}"
        );
    }
    let headers = [("authorization", porter.as_str())];
    let answer = log_in(&manager, &headers, "user=ann&password=correct+horse").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
    let cookie = answer.header(header::SET_COOKIE).split(';').next().unwrap().to_owned();
    let both = [("cookie", cookie.as_str()), ("authorization", porter.as_str())];
    let session = manager.send(request("GET", "/v1/session", &both, "")).await;
    assert_eq!((session.status, session.json()["user"].as_str()), (StatusCode::OK, Some("ann")));
    // Without the session it is a wrong password as before; so is one that guesses at a page.
    assert_eq!(manager.send(request("GET", "/v1/session", &headers, "")).await.status, StatusCode::UNAUTHORIZED);
    let mut statuses = Vec::new();
    for guess in 0..20 {
        let guess = basic("ann", &format!("guess {guess}"));
        let page = [("accept", "text/html"), ("authorization", guess.as_str())];
        statuses.push(manager.send(request("GET", "/", &page, "")).await.status);
    }
    assert!(statuses.contains(&StatusCode::TOO_MANY_REQUESTS), "{statuses:?}");
}

/// `kubectl proxy` asks us with the API server's `Host`, and a WebSocket of a browser has nothing but `Origin`.
#[tokio::test]
async fn a_websocket_of_our_own_page_is_known_where_the_host_is_not() {
    let manager = Manager::start().await;
    let [cookie, other] = [cookie(&manager).await, cookie(&manager).await];
    let session = manager.send(request("GET", "/v1/session", &[("cookie", cookie.as_str())], "")).await;
    let proof = session.json()["streamProof"].as_str().unwrap().to_owned();
    let path = format!("/v1/ws/live?proof={proof}");
    let knock = |path: &str, cookie: &str| {
        let headers = [("cookie", cookie), ("upgrade", "websocket"), ("origin", "http://localhost:8001")];
        manager.send(request("GET", path, &headers, ""))
    };
    assert_eq!(knock("/v1/ws/live", &cookie).await.status, StatusCode::FORBIDDEN);
    assert_eq!(knock("/v1/ws/live?proof=guessed", &cookie).await.status, StatusCode::FORBIDDEN);
    assert_eq!(knock(&path, &other).await.status, StatusCode::FORBIDDEN, "another login has another proof");
    // Past the guard: what is missing now is the rest of a handshake.
    assert_eq!(knock(&path, &cookie).await.status, StatusCode::BAD_REQUEST);
    let login = basic(USER, PASSWORD);
    let headers = [("authorization", login.as_str()), ("upgrade", "websocket"), ("origin", "http://localhost:8001")];
    assert_eq!(manager.send(request("GET", &path, &headers, "")).await.status, StatusCode::FORBIDDEN);
}
