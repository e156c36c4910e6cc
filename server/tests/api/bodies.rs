//! Bodies of any JSON, at every address that takes one: refused or done, never a failure of the server.

use aurochs_api::volume::VolumeState;
use aurochs_server::nouns;
use aurochs_server::resources::volume::VolumeSpec;
use aurochs_server::resources::{Object, Volume};
use axum::http::Method;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use crate::harness::Manager;

/// Bodies for each address and action.
const TRIES: usize = 24;

/// Values that programs trip over.
fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop_oneof![Just(0_i64), Just(1), Just(-1), Just(i64::MAX), Just(i64::MIN), any::<i64>()].prop_map(Value::from),
        Just(Value::from(u64::MAX)),
        prop_oneof![Just(0.5), Just(1e300), Just(-1e300)].prop_map(Value::from),
        prop_oneof![
            Just(String::new()),
            Just("data".to_owned()),
            Just("node-1".to_owned()),
            Just("enabled".to_owned()),
            Just("10Gi".to_owned()),
            Just("99999999999999999999999999999Ei".to_owned()),
            Just("snap://data/../x".to_owned()),
            Just("/".to_owned()),
            Just("x".repeat(300)),
            ".{0,12}",
        ]
        .prop_map(Value::from),
    ]
}

fn json(depth: u32) -> impl Strategy<Value = Value> {
    leaf().prop_recursive(depth, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Z./]{0,8}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// An object with some of the known fields and some unknown ones.
fn body(fields: Vec<&'static str>) -> impl Strategy<Value = Value> {
    let field = prop_oneof![4 => prop::sample::select(with_any(fields)), 1 => "[a-zA-Z]{0,6}"];
    let object =
        prop::collection::vec((field, json(2)), 0..8).prop_map(|fields| Value::Object(fields.into_iter().collect()));
    prop_oneof![9 => object, 1 => json(3)]
}

fn with_any(mut fields: Vec<&'static str>) -> Vec<String> {
    fields.push("name");
    fields.into_iter().map(str::to_owned).collect()
}

/// Addresses with the fields that their bodies know.
fn places() -> Vec<(Method, String, Vec<&'static str>)> {
    let names = |shape: Option<&'static aurochs_api::describe::Shape>| {
        shape.map(|shape| shape.wire_fields().iter().map(|field| field.name).collect()).unwrap_or_default()
    };
    let mut places = Vec::new();
    for noun in nouns::all() {
        for route in noun.routes().iter().filter(|route| route.input.is_some()) {
            let path = route.path.replace("{name}", "data");
            places.push((route.method.clone(), path, names(route.input.and_then(|wire| wire.named()))));
        }
        for action in noun.actions().iter().filter(|action| action.routed) {
            let plural = noun.plural_name().to_lowercase();
            places.push((
                Method::POST,
                format!("/v1/{plural}/data?action={}", action.name),
                names(action.input.named()),
            ));
        }
    }
    places
}

/// The volume that the actions are for; it may have gone by one of them, or be changed beyond use.
async fn renew(manager: &Manager) {
    if manager.store().find::<Volume>("data").await.unwrap().is_none() {
        let spec = VolumeSpec { size: aurochs_api::size::ByteSize(1 << 30), ..VolumeSpec::default() };
        manager.store().create(&Object::<Volume>::new("data", spec)).await.unwrap();
        manager.store().modify_status::<Volume>("data", |status| status.state = VolumeState::Detached).await.unwrap();
    }
}

#[tokio::test]
async fn no_body_makes_the_server_fail() {
    let manager = Manager::start().await;
    manager.add_node("node-1", 100 << 30).await;
    manager.add_node("data", 100 << 30).await;
    let mut random = TestRunner::default();
    for (method, path, fields) in places() {
        let bodies = body(fields);
        for _ in 0..TRIES {
            renew(&manager).await;
            let body = bodies.new_tree(&mut random).unwrap().current().to_string();
            let answer = manager.call(method.as_str(), &path, &body).await;
            let status = answer.status.as_u16();
            assert!(status == 200 || (400..500).contains(&status), "{method} {path} {body}: {answer:?}");
            if status != 200 {
                let error = answer.json();
                assert_eq!((&error["type"], &error["status"]), (&Value::from("error"), &Value::from(status)), "{body}");
            }
        }
    }
}

#[tokio::test]
async fn nothing_that_is_no_json_makes_the_server_fail() {
    let manager = Manager::start().await;
    renew(&manager).await;
    let deep = "[".repeat(100_000);
    for (method, path, _) in places() {
        for body in ["{", "\u{0}", "{\"name\":\"\\ud800\"}", "nul", "\"", "{\"a\":1e999}", deep.as_str()] {
            let answer = manager.call(method.as_str(), &path, body).await;
            let status = answer.status.as_u16();
            assert!((200..500).contains(&status), "{method} {path} {:?}: {answer:?}", &body[..body.len().min(20)]);
        }
    }
}
