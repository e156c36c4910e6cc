//! What of the rows is wanted, as it stands in the address: `?q=&sort=&dir=&<filter>=`.

use std::collections::BTreeMap;
use std::time::Duration;

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate, use_query_map};
use leptos_router::params::ParamsMap;

use super::item::Choice;

/// The address follows typing after a moment of rest.
const REST: Duration = Duration::from_millis(250);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) text: String,
    /// Key of the column, and whether the order is turned round.
    pub(super) order: Option<(String, bool)>,
    /// Chosen words by the key of the filter.
    pub(super) filters: BTreeMap<&'static str, String>,
}

impl Query {
    /// The same column again turns the order round, and once more gives it up.
    pub(super) fn sort(&mut self, key: &str) {
        self.order = match self.order.take() {
            Some((before, descending)) if before == key => (!descending).then_some((before, true)),
            _ => Some((key.to_owned(), false)),
        };
    }

    pub(super) fn choose(&mut self, key: &'static str, word: &str) {
        if word.is_empty() {
            self.filters.remove(key);
        } else {
            self.filters.insert(key, word.to_owned());
        }
    }

    /// `find` has the words of the address by their keys.
    fn read(words: &Words, find: impl Fn(&str) -> Option<String>) -> Self {
        let get = |key: &str| find(&words.key(key)).filter(|word| !word.is_empty());
        let descending = get("dir").is_some_and(|direction| direction == "desc");
        let chosen = words.filters.iter().filter_map(|&key| Some((key, get(key)?)));
        Self {
            text: get("q").unwrap_or_default(),
            order: get("sort").map(|key| (key, descending)),
            filters: chosen.collect(),
        }
    }

    /// The address's query with this in it and what else stood there.
    fn write(&self, words: &Words, params: &ParamsMap) -> String {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (key, value) in params {
            if !words.is_own(key) {
                pairs.push((key.to_string(), value.to_owned()));
            }
        }
        let mut own = |key: &str, value: &str| {
            if !value.is_empty() {
                pairs.push((words.key(key), value.to_owned()));
            }
        };
        // A space at the end may be the beginning of the next word.
        own("q", if self.text.trim().is_empty() { "" } else { &self.text });
        if let Some((key, descending)) = &self.order {
            own("sort", key);
            own("dir", if *descending { "desc" } else { "" });
        }
        for (key, word) in &self.filters {
            own(key, word);
        }
        let text = |(key, value): &(String, String)| format!("{}={}", encode(key), encode(value));
        pairs.iter().map(text).collect::<Vec<_>>().join("&")
    }
}

/// The chosen filters of the table around, for what stands above its rows.
#[derive(Clone, Copy)]
pub(crate) struct TableQuery(pub(super) RwSignal<Query>);

impl TableQuery {
    pub(crate) fn expect() -> Self {
        expect_context()
    }

    /// The chosen word of a filter.
    pub(crate) fn get(self, key: &str) -> Option<String> {
        self.0.with(|query| query.filters.get(key).cloned())
    }

    /// Chooses a word; an empty one takes the filter off.
    pub(crate) fn choose(self, key: &'static str, word: &str) {
        self.0.update(|query| query.choose(key, word));
    }
}

fn encode(text: &str) -> String {
    js_sys::encode_uri_component(text).into()
}

/// Which words of the address are this table's.
#[derive(Clone)]
struct Words {
    prefix: &'static str,
    filters: Vec<&'static str>,
}

impl Words {
    fn key(&self, key: &str) -> String {
        if self.prefix.is_empty() { key.to_owned() } else { format!("{}-{key}", self.prefix) }
    }

    fn is_own(&self, key: &str) -> bool {
        let own = ["q", "sort", "dir"].into_iter().chain(self.filters.iter().copied());
        own.into_iter().any(|word| self.key(word) == key)
    }
}

/// The query of a table, kept the same as the address, both ways.
pub(super) fn in_address(prefix: &'static str, filters: &[Choice]) -> RwSignal<Query> {
    let words = Words { prefix, filters: filters.iter().map(|filter| filter.key).collect() };
    let params = use_query_map();
    let path = use_location().pathname;
    let navigate = use_navigate();
    let query = RwSignal::new(params.with_untracked(|params| Query::read(&words, |key| params.get(key))));
    let written = StoredValue::new(query.get_untracked());

    let reader = words.clone();
    Effect::new(move |before: Option<()>| {
        let now = params.with(|params| Query::read(&reader, |key| params.get(key)));
        // What comes back of our own writing is no news, and typing may have gone on since.
        if before.is_some() && written.with_value(|written| *written != now) {
            written.set_value(now.clone());
            query.set(now);
        }
    });

    let here = path.get_untracked();
    let timer = StoredValue::new(None::<TimeoutHandle>);
    let stop = move || {
        if let Some(Some(timer)) = timer.try_update_value(Option::take) {
            timer.clear();
        }
    };
    on_cleanup(stop);
    Effect::new(move |before: Option<()>| {
        let now = query.get();
        if before.is_none() || written.with_value(|written| *written == now) {
            return;
        }
        stop();
        let (words, navigate, here) = (words.clone(), navigate.clone(), here.clone());
        let write = move || {
            // The page may have been left.
            if path.try_get_untracked().as_ref() != Some(&here) || written.try_set_value(now.clone()).is_some() {
                return;
            }
            let text = params.with_untracked(|params| now.write(&words, params));
            let address = if text.is_empty() { here.clone() } else { format!("{here}?{text}") };
            let options =
                NavigateOptions { scroll: false, replace: true, resolve: false, ..NavigateOptions::default() };
            navigate(&address, options);
        };
        timer.set_value(set_timeout_with_handle(write, REST).ok());
    });
    query
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |wanted| pairs.iter().find(|(key, _)| *key == wanted).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn the_address_is_read() {
        let words = Words { prefix: "", filters: vec!["state", "node"] };
        let query = Query::read(
            &words,
            address(&[("q", "sql"), ("sort", "size"), ("dir", "desc"), ("state", "ok"), ("tab", "x")]),
        );
        assert_eq!(query.text, "sql");
        assert_eq!(query.order, Some(("size".to_owned(), true)));
        assert_eq!(query.filters, BTreeMap::from([("state", "ok".to_owned())]));
        let second = Words { prefix: "restores", filters: vec!["state"] };
        assert!(
            Query::read(&second, address(&[("q", "sql"), ("state", "ok")])) == Query::default(),
            "the words of another table"
        );
        assert!(second.is_own("restores-q") && !second.is_own("q") && words.is_own("node") && !words.is_own("tab"));
    }

    #[test]
    fn a_column_is_sorted_up_down_and_not() {
        let mut query = Query::default();
        query.sort("size");
        assert_eq!(query.order, Some(("size".to_owned(), false)));
        query.sort("size");
        assert_eq!(query.order, Some(("size".to_owned(), true)));
        query.sort("size");
        assert_eq!(query.order, None);
        query.choose("state", "ok");
        assert!(!query.filters.is_empty());
        query.choose("state", "");
        assert!(query.filters.is_empty());
    }
}
