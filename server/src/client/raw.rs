//! `aurochs api`: any address, with the same login.

use std::io::Read;

use clap::Args;
use reqwest::Method;
use serde_json::Value;

use super::failure::Failure;
use super::{Client, Run};

/// The manager takes no longer bodies.
const BODY_LIMIT_BYTES: u64 = 1 << 20;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs api GET /v1/volumes
  aurochs api PUT /v1/settings/log-level '{\"value\": \"debug\"}'
  aurochs api POST '/v1/volumes/data?action=attach' - < body.json

GET /v1 names the collections, GET /v1/openapi.json describes everything.")]
pub struct Request {
    /// GET, POST, PUT or DELETE
    #[arg(value_parser = ["GET", "POST", "PUT", "DELETE"], ignore_case = true)]
    method: String,
    /// Address, from /v1 on
    path: String,
    /// JSON to send; - reads it from standard input
    body: Option<String>,
}

impl Run for Request {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let method = Method::from_bytes(self.method.to_uppercase().as_bytes())
            .map_err(|error| Failure::usage(format!("{} is no method: {error}", self.method), ""))?;
        if !self.path.starts_with('/') {
            let message = format!("{:?} is no address: it does not begin with a slash", self.path);
            return Err(Failure::usage(message, "Give one such as /v1/volumes."));
        }
        let body = self.body.map(read_body).transpose()?;
        let text = client.api.text(method, &self.path, body.as_ref()).await?;
        // Metrics are no JSON; they are shown as they are.
        match serde_json::from_str::<Value>(&text) {
            Ok(answer) => client.output.json(&answer),
            Err(_) => client.output.write(&text),
        }
    }
}

fn read_body(given: String) -> Result<Value, Failure> {
    let mut text = given;
    if text == "-" {
        text.clear();
        let read = std::io::stdin().take(BODY_LIMIT_BYTES).read_to_string(&mut text);
        read.map_err(|error| Failure::usage(format!("no body can be read from standard input: {error}"), ""))?;
    }
    serde_json::from_str(&text).map_err(|error| Failure::usage(format!("the body is no JSON: {error}"), ""))
}
