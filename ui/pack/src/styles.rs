//! The style sheets of `assets/styles`, one after the other in the order of their names, with names of fonts and icons
//! replaced by what they are called after hashing.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub(crate) enum StylesError {
    #[error("cannot read the style sheets in {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
}

pub(crate) fn concatenate(directory: &Path) -> Result<String, StylesError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| StylesError::Read { path, source }
    };
    let mut sheets = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed(directory))? {
        let path = entry.map_err(failed(directory))?.path();
        if path.extension().is_some_and(|extension| extension == "css") {
            sheets.push(path);
        }
    }
    sheets.sort();
    let mut all = String::new();
    for sheet in sheets {
        all.push_str(&fs::read_to_string(&sheet).map_err(failed(&sheet))?);
        all.push('\n');
    }
    Ok(without_comments(&all))
}

/// Replaces `url("name")` by `url("hashed name")` for every name in `hashed`. Both lie in the same directory, so the
/// reference works under any path prefix.
pub(crate) fn with_hashed_names(styles: &str, hashed: &BTreeMap<String, String>) -> String {
    let mut result = styles.to_owned();
    for (logical, file) in hashed {
        for quote in ["\"", "'", ""] {
            result = result.replace(
                &format!("url({quote}{logical}{quote})"),
                &format!("url({quote}{file}{quote})"),
            );
        }
    }
    result
}

/// Comments are for us; a browser need not load them. A comment mark inside a string stays.
fn without_comments(styles: &str) -> String {
    let mut kept = String::with_capacity(styles.len());
    let mut rest = styles;
    while let Some(at) = rest.find(['"', '\'', '/']) {
        let (before, tail) = rest.split_at(at);
        kept.push_str(before);
        let length = token_length(tail);
        if !tail.starts_with("/*") {
            kept.push_str(&tail[..length]);
        }
        rest = &tail[length..];
    }
    kept.push_str(rest);
    kept.lines()
        .filter(|line| !line.trim().is_empty())
        .fold(String::new(), |text, line| text + line + "\n")
}

/// Bytes of the string, comment or single slash at the start of `text`.
fn token_length(text: &str) -> usize {
    if text.starts_with("/*") {
        return text.find("*/").map_or(text.len(), |end| end + 2);
    }
    let Some(quote @ ('"' | '\'')) = text.chars().next() else {
        return 1;
    };
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_go_and_strings_stay() {
        let styles = "/* a \"quoted\" remark */\na::before { content: \"/* no comment */\"; }\n\nb { background: url(x/y.png); } /* end */";
        assert_eq!(
            without_comments(styles),
            "a::before { content: \"/* no comment */\"; }\nb { background: url(x/y.png); } \n"
        );
    }

    #[test]
    fn only_whole_references_get_hashed_names() {
        let hashed = BTreeMap::from([("inter.woff2".to_owned(), "inter-0a.woff2".to_owned())]);
        let styles = "url(\"inter.woff2\") url(inter.woff2) url('other-inter.woff2')";
        assert_eq!(
            with_hashed_names(styles, &hashed),
            "url(\"inter-0a.woff2\") url(inter-0a.woff2) url('other-inter.woff2')"
        );
    }
}
