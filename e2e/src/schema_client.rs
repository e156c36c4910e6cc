//! A client that knows nothing but what the manager tells of itself, as Longhorn's Python and Go clients do: it learns
//! the types from the header `X-API-Schemas`, makes its methods from them, and its actions from the links of things.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::{LOOK, PATIENCE};

/// How often Longhorn's clients try what meets a conflict, and how long they wait between.
const CONFLICT_ATTEMPTS: usize = 3;
const CONFLICT_PAUSE: Duration = Duration::from_millis(100);

/// Methods take and give things as JSON; they fail the test on whatever the schemas don't allow.
#[derive(Debug)]
pub struct SchemaClient {
    http: reqwest::Client,
    password: String,
    schemas: BTreeMap<String, Value>,
}

/// An answer that was not 2xx, with its body of type `error`.
#[derive(Debug)]
pub struct Refusal {
    pub status: StatusCode,
    pub body: Value,
}

impl Refusal {
    /// That it has the form of errors, this status, and says these words.
    #[expect(clippy::missing_panics_doc, reason = "a test fixture fails by panicking")]
    pub fn expect(&self, status: u16, words: &[&str]) {
        let Self { status: found, body } = self;
        assert_eq!(
            (found.as_u16(), &body["type"], &body["status"]),
            (status, &json!("error"), &json!(status)),
            "{body}"
        );
        assert!(
            body["code"].is_string() && body["links"]["self"].is_string() && body["actions"] == json!({}),
            "{body}"
        );
        let text = format!("{} {}", body["message"].as_str().unwrap(), body["detail"].as_str().unwrap());
        words.iter().for_each(|word| assert!(text.contains(word), "{word:?} is not in {text:?}"));
    }
}

#[expect(clippy::missing_panics_doc, reason = "a test fixture fails by panicking")]
impl SchemaClient {
    /// Needs the address of the API alone.
    pub async fn boot(url: &str, password: &str) -> Self {
        let (http, password) = (reqwest::Client::new(), password.to_owned());
        let mut client = Self { http, password, schemas: BTreeMap::new() };
        let answer = client.request(Method::GET, url, None).await;
        let schemas = answer.headers()["x-api-schemas"].to_str().unwrap().to_owned();
        let list = client.try_ask(Method::GET, &schemas, None).await.unwrap();
        let types = list["data"].as_array().unwrap().iter().filter(|schema| schema["type"] == "schema");
        client.schemas = types.map(|schema| (schema["id"].as_str().unwrap().to_owned(), schema.clone())).collect();
        client
    }

    async fn request(&self, method: Method, url: &str, body: Option<&Value>) -> reqwest::Response {
        let mut request = self.http.request(method, url).basic_auth("admin", Some(&self.password));
        request = request.header("accept", "application/json");
        if let Some(body) = body {
            // As Python's client does it: a text without a Content-Type.
            request = request.body(body.to_string());
        }
        request.timeout(PATIENCE).send().await.unwrap()
    }

    async fn try_ask(&self, method: Method, url: &str, body: Option<&Value>) -> Result<Value, Refusal> {
        let mut attempt = 1;
        loop {
            let answer = self.request(method.clone(), url, body).await;
            let status = answer.status();
            let text = answer.text().await.unwrap();
            let body_of_answer = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
            match status {
                status if status.is_success() => return Ok(body_of_answer),
                StatusCode::CONFLICT if attempt < CONFLICT_ATTEMPTS => tokio::time::sleep(CONFLICT_PAUSE).await,
                status => return Err(Refusal { status, body: body_of_answer }),
            }
            attempt += 1;
        }
    }

    fn schema(&self, kind: &str) -> &Value {
        self.schemas.get(kind).unwrap_or_else(|| panic!("there is no type {kind}"))
    }

    fn collection(&self, kind: &str, method: &str) -> &str {
        let schema = self.schema(kind);
        assert!(has(&schema["collectionMethods"], method), "{kind} has no method {method}");
        schema["links"]["collection"].as_str().unwrap()
    }

    pub async fn list(&self, kind: &str) -> Vec<Value> {
        let list = self.try_ask(Method::GET, self.collection(kind, "GET"), None).await.unwrap();
        assert_eq!((&list["type"], &list["resourceType"]), (&json!("collection"), &json!(kind)));
        list["data"].as_array().unwrap().clone()
    }

    /// None when there is no such thing.
    pub async fn by_id(&self, kind: &str, id: &str) -> Option<Value> {
        match self.try_ask(Method::GET, &format!("{}/{id}", self.collection(kind, "GET")), None).await {
            Ok(thing) => Some(thing),
            Err(refusal) if refusal.status == StatusCode::NOT_FOUND => None,
            Err(refusal) => panic!("{kind} {id}: {refusal:?}"),
        }
    }

    pub async fn try_create(&self, kind: &str, given: Value) -> Result<Value, Refusal> {
        let body = self.with_defaults(kind, given.as_object().unwrap().clone());
        self.try_ask(Method::POST, self.collection(kind, "POST"), Some(&body.into())).await
    }

    /// What is required and not given has the default that the schema advertises, if it does.
    fn with_defaults(&self, kind: &str, mut body: Map<String, Value>) -> Map<String, Value> {
        let fields = self.schema(kind)["resourceFields"].as_object().unwrap();
        for (name, field) in fields.iter().filter(|(_, field)| field["required"] == true && field["create"] == true) {
            if let (false, Some(text)) = (body.contains_key(name), field["default"].as_str()) {
                body.insert(name.clone(), default_of(field, text));
            }
        }
        body
    }

    pub async fn create(&self, kind: &str, given: Value) -> Value {
        let created = self.try_create(kind, given).await;
        created.unwrap_or_else(|refusal| panic!("creating a {kind}: {refusal:?}"))
    }

    pub async fn try_update(&self, thing: &Value, changes: Value) -> Result<Value, Refusal> {
        assert!(has(&self.schema(kind_of(thing))["resourceMethods"], "PUT"), "{thing}");
        self.try_ask(Method::PUT, own_link(thing), Some(&changes)).await
    }

    pub async fn update(&self, thing: &Value, changes: Value) -> Value {
        self.try_update(thing, changes).await.unwrap_or_else(|refusal| panic!("updating {thing}: {refusal:?}"))
    }

    pub async fn try_delete(&self, thing: &Value) -> Result<(), Refusal> {
        assert!(has(&self.schema(kind_of(thing))["resourceMethods"], "DELETE"), "{thing}");
        let answer = self.try_ask(Method::DELETE, own_link(thing), None).await?;
        assert_eq!(answer, Value::Null);
        Ok(())
    }

    pub async fn delete(&self, thing: &Value) {
        self.try_delete(thing).await.unwrap_or_else(|refusal| panic!("deleting {thing}: {refusal:?}"));
    }

    /// An action that the thing offers, with a body of the fields that the schema tells.
    pub async fn try_act(&self, thing: &Value, action: &str, body: Value) -> Result<Value, Refusal> {
        let kind = kind_of(thing);
        let told = self.schema(kind)["resourceActions"].get(action).unwrap_or_else(|| panic!("{kind} has no {action}"));
        // Longhorn names one type of a body that has no schema.
        let input = told["input"].as_str().map(|input| self.schemas.get(input));
        for name in body.as_object().unwrap().keys() {
            let is_told = match input {
                Some(Some(schema)) => schema["resourceFields"].get(name).is_some(),
                Some(None) => true,
                None => false,
            };
            assert!(is_told, "{kind}.{action} takes no {name}: {told}");
        }
        let url = thing["actions"].get(action).unwrap_or_else(|| panic!("{action} is not offered by {thing:#}"));
        self.try_ask(Method::POST, url.as_str().unwrap(), Some(&body)).await
    }

    pub async fn act(&self, thing: &Value, action: &str, body: Value) -> Value {
        let answer = self.try_act(thing, action, body).await;
        answer.unwrap_or_else(|refusal| panic!("{action} of {}: {refusal:?}", thing["id"]))
    }

    pub async fn until(&self, kind: &str, id: &str, wish: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.by_id(kind, id).await {
                Some(thing) if is_so(&thing) => return thing,
                last => assert!(Instant::now() < deadline, "{kind} {id} did not become {wish}: {last:#?}"),
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    pub async fn until_gone(&self, kind: &str, id: &str) {
        let deadline = Instant::now() + PATIENCE;
        while let Some(last) = self.by_id(kind, id).await {
            assert!(Instant::now() < deadline, "{kind} {id} is still there: {last:#?}");
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn has(methods: &Value, method: &str) -> bool {
    methods.as_array().unwrap().iter().any(|word| word == method)
}

fn kind_of(thing: &Value) -> &str {
    thing["type"].as_str().unwrap()
}

fn own_link(thing: &Value) -> &str {
    thing["links"]["self"].as_str().unwrap()
}

/// Defaults are texts, whatever the type is.
fn default_of(field: &Value, text: &str) -> Value {
    match field["type"].as_str().unwrap() {
        "int" | "bool" => serde_json::from_str(text).unwrap(),
        _ => json!(text),
    }
}
