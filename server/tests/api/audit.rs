//! The audit log: every change with who, from where, what and how it ended.

use aurochs_api::volume::VolumeState;
use aurochs_server::audit::Filter;
use aurochs_server::auth::Auth;
use aurochs_server::store::sqlite::Sqlite;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};
use sqlx::SqlitePool;

use crate::harness::{Manager, PASSWORD, USER, VIEWER, basic};

/// Far more than a row takes; only one that never comes meets it.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

async fn entries(manager: &Manager, query: &str) -> Vec<Value> {
    manager.app.auth.audit().settle().await;
    let list = manager.get(&format!("/v1/audits{query}")).await;
    assert_eq!(list.status, StatusCode::OK, "{list:?}");
    list.json()["data"].as_array().unwrap().clone()
}

async fn database(manager: &Manager) -> SqlitePool {
    let path = manager.directory.path().join("aurochs.db");
    SqlitePool::connect(&format!("sqlite:{}", path.display())).await.unwrap()
}

fn job(name: &str) -> Value {
    json!({"name": name, "task": "snapshot", "cron": "@daily", "retain": 1})
}

#[tokio::test]
async fn a_change_says_who_from_where_what_and_how_it_ended() {
    let manager = Manager::start().await;
    let request = Request::post("/v1/recurringjobs").header(header::HOST, "manager:9500");
    let request = request.header(header::AUTHORIZATION, basic(USER, PASSWORD)).header("x-request-id", "the-id");
    let mut request = request.body(Body::from(job("nightly").to_string())).unwrap();
    request.extensions_mut().insert(ConnectInfo::<std::net::SocketAddr>("192.0.2.7:1".parse().unwrap()));
    assert_eq!(manager.send(request).await.status, StatusCode::OK);
    assert_eq!(manager.post("/v1/recurringjobs", job("nightly")).await.status, StatusCode::CONFLICT);
    assert_eq!(manager.call("DELETE", "/v1/recurringjobs/nightly", "").await.status, StatusCode::OK);
    manager.get("/v1/volumes").await;

    let all = entries(&manager, "").await;
    assert_eq!(all.len(), 3, "reading leaves nothing: {all:?}");
    let created = &all[2];
    for (field, expected) in [
        ("user", json!("ann")),
        ("role", json!("admin")),
        ("address", json!("192.0.2.7")),
        ("method", json!("POST")),
        ("path", json!("/v1/recurringjobs")),
        ("action", json!("")),
        ("objectType", json!("recurringJob")),
        ("object", json!("nightly")),
        ("result", json!("done")),
        ("status", json!(200)),
        ("message", json!("")),
        ("requestId", json!("the-id")),
    ] {
        assert_eq!(created[field], expected, "{field} of {created}");
    }
    assert!(created["input"].as_str().unwrap().contains("@daily"), "{created}");
    assert!(created["begunAt"].as_str().unwrap() <= created["endedAt"].as_str().unwrap(), "{created}");
    let (refused, deleted) = (&all[1], &all[0]);
    assert_eq!((&refused["result"], &refused["status"]), (&json!("failed"), &json!(409)));
    assert!(refused["message"].as_str().unwrap().contains("nightly"), "{refused}");
    assert_eq!((&deleted["method"], &deleted["object"]), (&json!("DELETE"), &json!("nightly")));
    let one = manager.get(&format!("/v1/audits/{}", deleted["id"].as_str().unwrap())).await;
    assert_eq!(one.json(), *deleted);
    assert_eq!(manager.get("/v1/audits/999").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn actions_logins_and_refusals_are_in_it() {
    let manager = Manager::start().await;
    manager.add_volume("data", VolumeState::Attached).await;
    let refused = manager.post("/v1/volumes/data?action=updateReplicaCount", json!({"replicaCount": 99})).await;
    assert!(refused.status.is_client_error());
    manager.post("/v1/volumes/data?action=recurringJobList", json!({})).await;
    let login = async |form: &str| {
        let request = Request::post("/login").header(header::HOST, "manager:9500");
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        manager.send(request.body(Body::from(form.to_owned())).unwrap()).await
    };
    let cookie = login("user=ann&password=correct+horse").await;
    let cookie = cookie.header(header::SET_COOKIE).split(';').next().unwrap().to_owned();
    let out = Request::post("/logout").header(header::HOST, "manager:9500").header(header::COOKIE, &cookie);
    manager.send(out.header("sec-fetch-site", "same-origin").body(Body::empty()).unwrap()).await;
    login("user=ann&password=wrong").await;
    login("user=typed-my-password-here&password=").await;
    manager.call_as(VIEWER, "DELETE", "/v1/volumes/data", "").await;

    let told: Vec<String> = entries(&manager, "")
        .await
        .iter()
        .rev()
        .map(|entry| {
            let word = |field: &str| entry[field].as_str().unwrap().to_owned();
            format!("{} {} {} {} {}", word("user"), word("method"), word("action"), word("object"), word("result"))
        })
        .collect();
    assert_eq!(
        told,
        [
            "ann POST  data done",
            "ann POST updateReplicaCount data failed",
            "ann  login  done",
            "ann  logout  done",
            "ann  login  refused",
            "(nobody of that name)  login  refused",
            "vic DELETE  data refused",
        ]
    );
}

#[tokio::test]
async fn filters_and_pages() {
    let manager = Manager::start().await;
    for number in 0..25 {
        assert_eq!(manager.post("/v1/recurringjobs", job(&format!("job-{number}"))).await.status, StatusCode::OK);
    }
    manager.call("DELETE", "/v1/recurringjobs/job-3", "").await;
    manager.call("DELETE", "/v1/recurringjobs/none", "").await;
    for (query, count) in [
        ("?object=job-3", 2),
        ("?object=job-3&result=done", 2),
        ("?result=failed", 1),
        ("?user=bob", 0),
        ("?objectType=recurringJob&limit=1000", 27),
        ("?objectType=volume", 0),
        ("?to=2020-01-01T00:00:00Z", 0),
        ("?from=2020-01-01T00:00:00Z&result=done", 26),
        ("?result=unknown", 0),
    ] {
        assert_eq!(entries(&manager, query).await.len(), count, "{query}");
    }
    // Nine on a page: the last one is full, and says that it is the last.
    let (mut path, mut ids) = ("/v1/audits?objectType=recurringJob&limit=9".to_owned(), Vec::new());
    loop {
        let page = manager.get(&path).await.json();
        ids.extend(page["data"].as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap().to_owned()));
        let pagination = &page["pagination"];
        assert_eq!((&pagination["limit"], &pagination["partial"]), (&json!(9), &json!(ids.len() < 27)), "{page}");
        let Some(next) = pagination["next"].as_str() else { break };
        path = next.strip_prefix("http://manager:9500").unwrap().to_owned();
    }
    let expected: Vec<String> = (1..=27).rev().map(|id| id.to_string()).collect();
    assert_eq!(ids, expected, "every entry once, the latest first");
    for query in ["?limit=0", "?limit=1001", "?limit=x", "?marker=x", "?from=yesterday"] {
        let refused = manager.get(&format!("/v1/audits{query}")).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}: {refused:?}");
    }
    assert_eq!(manager.get("/v1/audits?limit=1&limit=2").await.status, StatusCode::BAD_REQUEST);
}

/// As between two managers: the files are changed by somebody who has the machine.
#[tokio::test]
async fn what_changed_in_the_users_files_meanwhile_is_told_at_the_next_start() {
    let manager = Manager::start().await;
    let directory = manager.directory.path();
    let sqlite = Sqlite::open(&directory.join("aurochs.db")).await.unwrap();
    let start = async || {
        let (auth, _) = Auth::open(directory, &sqlite).unwrap();
        auth.catch_up().await;
        let all = auth.audit().list(&Filter { limit: 100, ..Filter::default() }).await.unwrap();
        auth.look_at_users().await;
        all
    };
    assert!(start().await.is_empty(), "nothing is known before the first start");
    assert!(start().await.is_empty(), "nothing was changed");
    let line = |name: &str, password: &str| format!("{name}:{}\n", bcrypt::hash(password, 4).unwrap());
    let before = std::fs::read_to_string(directory.join("users")).unwrap();
    let vic = before.lines().find(|line| line.starts_with("vic:")).unwrap();
    let after = format!("{}{vic}\n{}", line("ann", "another one"), line("kim", "kim's password"));
    std::fs::write(directory.join("users"), &after).unwrap();
    std::fs::write(directory.join("roles"), "kim: viewer\n").unwrap();
    let told = start().await;
    let mut texts: Vec<&str> = told.iter().map(|kept| kept.act.input.as_str()).collect();
    texts.sort_unstable();
    let changes = [
        "ann has another password",
        "the user bob was removed",
        "the user kim was added as viewer",
        "vic is admin now",
    ];
    assert_eq!(texts, changes.map(|change| format!("changed while no manager looked: {change}")));
    assert!(
        told.iter().all(|kept| kept.act.action == "users" && kept.act.user.is_empty() && kept.end.is_some()),
        "{told:?}"
    );
    assert_eq!(start().await, told, "it is told once");
    // What is remembered is of no use to whoever would log in.
    let database = std::fs::read(directory.join("aurochs.db")).unwrap();
    let wal = std::fs::read(directory.join("aurochs.db-wal")).unwrap_or_default();
    for hash in after.lines().filter_map(|line| line.split_once(':')).map(|(_, hash)| hash.as_bytes()) {
        for file in [&database, &wal] {
            assert!(!file.windows(hash.len()).any(|part| part == hash));
        }
    }
}

/// The row is on the disk before anything is done.
#[tokio::test]
async fn what_cannot_be_recorded_is_not_done() {
    let manager = Manager::start().await;
    let full = "CREATE TRIGGER full BEFORE INSERT ON audits BEGIN SELECT RAISE(ABORT, 'the disk is full'); END";
    sqlx::query(full).execute(&database(&manager).await).await.unwrap();
    let answer = manager.post("/v1/recurringjobs", job("nightly")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
    assert!(answer.text.contains("nothing is changed"), "{answer:?}");
    let read = manager.get("/v1/recurringjobs").await;
    assert_eq!(read.json()["data"], json!([]), "reading goes on, and nothing is there");
}

#[tokio::test]
async fn a_change_whose_client_goes_away_has_an_entry() {
    let manager = Manager::start().await;
    let request = Request::post("/v1/recurringjobs").header(header::HOST, "manager:9500");
    let request = request.header(header::AUTHORIZATION, basic(USER, PASSWORD));
    let pool = database(&manager).await;
    let mut lock = pool.acquire().await.unwrap();
    let asked = manager.send(request.body(Body::from(job("nightly").to_string())).unwrap());
    let mut asked = Box::pin(asked);
    let begun = async {
        loop {
            let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM audits").fetch_one(&mut *lock).await.unwrap();
            if rows > 0 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    tokio::select! { biased; () = begun => {}, _ = &mut asked => {} }
    drop(asked);
    // Nobody waits for the end of what was cut off: it is written when its turn comes.
    let ended = async {
        loop {
            let all = entries(&manager, "").await;
            assert_eq!(all.len(), 1, "{all:?}");
            if all[0]["result"] != "unknown" {
                return all;
            }
        }
    };
    let all = tokio::time::timeout(PATIENCE, ended).await.expect("an end");
    assert!(all[0]["result"] == "cutOff" || all[0]["result"] == "done", "{all:?}");
}

#[tokio::test]
async fn the_log_is_only_added_to() {
    let manager = Manager::start().await;
    assert_eq!(manager.post("/v1/recurringjobs", job("nightly")).await.status, StatusCode::OK);
    let pool = database(&manager).await;
    for statement in [
        "UPDATE audits SET user = 'eve'",
        "UPDATE audit_results SET result = 'failed'",
        "DELETE FROM audits",
        "DELETE FROM audit_results",
        "INSERT OR REPLACE INTO audits SELECT id, at, 'eve', role, address, method, path, action, noun, object, input, request_id FROM audits",
        "INSERT OR REPLACE INTO audit_results SELECT audit_id, at, 'failed', status, message FROM audit_results",
        "DELETE FROM audit_retention",
        "UPDATE audit_retention SET forgotten_through = -1",
    ] {
        let refused = sqlx::query(statement).execute(&pool).await;
        assert!(refused.is_err_and(|error| error.to_string().contains("audit log")), "{statement}");
    }
    assert_eq!(entries(&manager, "").await[0]["user"], "ann");
}

/// Nobody can fill the disk with what is refused.
#[tokio::test]
async fn a_flood_of_refusals_is_counted() {
    let manager = Manager::start().await;
    for _ in 0..300 {
        manager.call_as(VIEWER, "DELETE", "/v1/volumes/data", "").await;
    }
    let kept = entries(&manager, "?limit=1000").await.len();
    assert!((100..=110).contains(&kept), "{kept}");
    assert_eq!(
        manager.post("/v1/recurringjobs", job("nightly")).await.status,
        StatusCode::OK,
        "changes have their rows"
    );
    assert_eq!(entries(&manager, "?user=ann").await.len(), 1);
}
