//! How the machine's instance managers reach the API server: the manager's own way, written into a file that they alone read.

use std::path::{Path, PathBuf};

use aurochs_engine::instance::records::Access;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::Config;
use kube::config::AuthInfo;
use serde::Deserialize;
use serde_json::Value;

/// Why instance managers can't reach the API server.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error(
        "the kubeconfig asks a program, or for a password, who the user is ({0}); the instance managers, which keep who has a \
         volume's data in the cluster, need a token or a certificate"
    )]
    Unknown(&'static str),
    #[error("the kubeconfig reaches the API server {0}, which the instance managers don't support")]
    Unsupported(&'static str),
    #[error("what the kubeconfig names can't be read: {0}")]
    Read(String),
    #[error("the way to the API server can't be written to {path}: {source}")]
    Write { path: PathBuf, source: std::io::Error },
}

/// Writes the file.
pub(super) fn write(config: &Config, namespace: &str, path: &Path) -> Result<(), AccessError> {
    let access = access(config, namespace)?;
    let text = serde_json::to_string(&access).map_err(|error| AccessError::Read(error.to_string()))?;
    let failed = |source| AccessError::Write { path: path.to_owned(), source };
    crate::private_file::write(path, &text, None).map_err(failed)
}

fn access(config: &Config, namespace: &str) -> Result<Access, AccessError> {
    if config.accept_invalid_certs {
        return Err(AccessError::Unsupported("without checking its certificate (insecure-skip-tls-verify)"));
    }
    if config.proxy_url.is_some() {
        return Err(AccessError::Unsupported("through a proxy (proxy-url)"));
    }
    if config.tls_server_name.is_some() {
        return Err(AccessError::Unsupported("under another name (tls-server-name)"));
    }
    let authority = match (&config.root_cert_file, &config.root_cert) {
        (Some(path), _) => file(&path.to_string_lossy())?,
        (None, Some(certificates)) => certificates.iter().map(|der| pem(der)).collect(),
        (None, None) => String::new(),
    };
    let (url, namespace) = (config.cluster_url.to_string(), namespace.to_owned());
    let known = Access { url, namespace, authority, ..Access::default() };
    who(&config.auth_info, known)
}

/// What a kubeconfig says of its user, its secrets as they are.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct User {
    username: Option<String>,
    token: String,
    #[serde(rename = "tokenFile")]
    token_file: Option<PathBuf>,
    client_certificate: Option<String>,
    client_certificate_data: Option<String>,
    client_key: Option<String>,
    client_key_data: Option<String>,
    exec: Option<Value>,
    auth_provider: Option<Value>,
    #[serde(rename = "as")]
    impersonate: Option<String>,
}

fn who(info: &AuthInfo, known: Access) -> Result<Access, AccessError> {
    let read = serde_json::to_value(info).and_then(serde_json::from_value::<User>);
    // The reason might repeat what it is about.
    let user = read.map_err(|_| AccessError::Read("what it says of its user".to_owned()))?;
    if user.exec.is_some() || user.auth_provider.is_some() {
        return Err(AccessError::Unknown("exec"));
    }
    if user.username.is_some() {
        return Err(AccessError::Unknown("username"));
    }
    if user.impersonate.is_some() {
        return Err(AccessError::Unsupported("as somebody else (as)"));
    }
    let certificate = text(user.client_certificate_data.as_deref(), user.client_certificate.as_deref())?;
    let key = text(user.client_key_data.as_deref(), user.client_key.as_deref())?;
    let token_file = user.token_file.filter(|_| user.token.is_empty());
    Ok(Access { token: user.token, token_file, certificate, key, ..known })
}

/// What stands in the kubeconfig itself is in base64; else there is a file.
fn text(data: Option<&str>, path: Option<&str>) -> Result<String, AccessError> {
    match (data, path) {
        (Some(data), _) => {
            let bytes = STANDARD.decode(data.trim()).map_err(|error| AccessError::Read(error.to_string()))?;
            String::from_utf8(bytes).map_err(|error| AccessError::Read(error.to_string()))
        }
        (None, Some(path)) => file(path),
        (None, None) => Ok(String::new()),
    }
}

fn file(path: &str) -> Result<String, AccessError> {
    std::fs::read_to_string(path).map_err(|error| AccessError::Read(format!("{path}: {error}")))
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn of(user: &str, cluster: &str) -> Result<Access, AccessError> {
        let text = format!(
            "{{apiVersion: v1, kind: Config, current-context: c, contexts: [{{name: c, context: {{cluster: c, user: u}}}}], \
             clusters: [{{name: c, cluster: {{server: 'https://10.0.0.1:6443', {cluster}}}}}], \
             users: [{{name: u, user: {{{user}}}}}]}}"
        );
        let kubeconfig = kube::config::Kubeconfig::from_yaml(&text).unwrap();
        let options = kube::config::KubeConfigOptions::default();
        access(&Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap(), "n")
    }

    #[tokio::test]
    async fn the_managers_own_way_is_handed_on() {
        let access = of("token: hush", "").await.unwrap();
        assert_eq!((access.url.trim_end_matches('/'), access.namespace.as_str()), ("https://10.0.0.1:6443", "n"));
        assert_eq!((access.token.as_str(), access.authority.as_str()), ("hush", ""));
        let access = of("tokenFile: /token", "").await.unwrap();
        assert_eq!((access.token.as_str(), access.token_file), ("", Some(PathBuf::from("/token"))));
        let data = STANDARD.encode("PEM");
        let access = of(&format!("client-certificate-data: {data}, client-key-data: {data}"), "").await.unwrap();
        assert_eq!((access.certificate.as_str(), access.key.as_str()), ("PEM", "PEM"));
    }

    #[tokio::test]
    async fn what_can_not_be_handed_on_is_said() {
        for (user, cluster, word) in [
            (
                "exec: {apiVersion: client.authentication.k8s.io/v1, command: 'true', interactiveMode: Never}",
                "",
                "exec",
            ),
            ("username: a, password: hush", "", "username"),
            ("token: hush, as: b", "", "(as)"),
            ("token: hush", "insecure-skip-tls-verify: true", "insecure"),
            ("token: hush", "tls-server-name: x", "tls-server-name"),
        ] {
            let refused = of(user, cluster).await.unwrap_err().to_string();
            assert!(refused.contains(word) && !refused.contains("hush"), "{refused}");
        }
    }
}
