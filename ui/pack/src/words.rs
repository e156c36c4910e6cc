//! The texts of another language: files of `assets/words/<language>`, each an object of English and translated text,
//! merged into one that the dashboard fetches when that language is chosen.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub(crate) enum WordsError {
    #[error("cannot read the words in {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is no object of texts: {source}")]
    Form { path: PathBuf, source: serde_json::Error },
}

/// One JSON object, the same bytes for the same words. Where two files translate a text the first one counts; a test of
/// the dashboard says where they disagree.
pub(crate) fn merged(directory: &Path) -> Result<Vec<u8>, WordsError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| WordsError::Read { path, source }
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed(directory))? {
        let path = entry.map_err(failed(directory))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    let mut all = BTreeMap::new();
    for path in files {
        let text = fs::read(&path).map_err(failed(&path))?;
        let words: BTreeMap<String, String> =
            serde_json::from_slice(&text).map_err(|source| WordsError::Form { path: path.clone(), source })?;
        for (english, translated) in words {
            all.entry(english).or_insert(translated);
        }
    }
    Ok(serde_json::json!(all).to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_become_one_and_what_is_no_text_is_refused() {
        let directory = std::env::temp_dir().join(format!("aurochs-ui-pack-words-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("b.json"), r#"{"Name": "other", "Size": "大小"}"#).unwrap();
        fs::write(directory.join("a.json"), r#"{"Name": "名称"}"#).unwrap();
        let words = merged(&directory);
        fs::write(directory.join("c.json"), r#"{"Name": 1}"#).unwrap();
        let refused = merged(&directory);
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!(String::from_utf8(words.unwrap()).unwrap(), r#"{"Name":"名称","Size":"大小"}"#);
        assert!(refused.unwrap_err().to_string().contains("c.json"));
    }
}
