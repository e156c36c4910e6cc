//! Long work of whole installations as jobs: what they tell is what was done, also when the manager goes away meanwhile.

mod kinds;
mod rebuild;

use serde_json::{Value, json};

use crate::installation::Installation;

impl Installation {
    /// The jobs that the query asks for, the latest first.
    async fn jobs(&self, query: &str) -> Vec<Value> {
        let list = self.call("GET", &format!("/v1/jobs?{query}"), Value::Null).await;
        list["data"].as_array().unwrap().clone()
    }

    /// The latest one that the query asks for, as soon as it is so.
    async fn until_job(&self, query: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let found = async || self.jobs(query).await.into_iter().next();
        self.until(&format!("a job of {query} {what}"), async |_| found().await.is_some_and(|job| holds(&job))).await;
        found().await.unwrap()
    }

    async fn until_job_ended(&self, query: &str) -> Value {
        let ended = self.until_job(query, "has ended", |job| job["state"] != "running").await;
        let path = format!("/v1/jobs/{}", ended["id"].as_str().unwrap());
        self.call("GET", &path, Value::Null).await
    }
}

fn bytes(job: &Value, field: &str) -> u64 {
    job[field].as_u64().unwrap_or_else(|| panic!("{field} of {job}"))
}

fn phases(job: &Value) -> Vec<&str> {
    job["phases"].as_array().unwrap().iter().map(|phase| phase["name"].as_str().unwrap()).collect()
}

fn log(job: &Value) -> String {
    let lines = job["log"].as_array().cloned().unwrap_or_default();
    lines.iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Who began it.
fn starter(job: &Value) -> (&Value, &Value) {
    (&job["starter"], &job["startedBy"])
}

fn user() -> (Value, Value) {
    (json!("user"), json!("admin"))
}
