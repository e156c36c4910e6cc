//! What a request needs, told by its route and its action: the one table that the guard asks.
//!
//! Reading is for everybody who is logged in, changing for admins. What is not said otherwise follows from the method:
//! GET reads, everything else changes. An action says itself that it only reads (`reads: true` in `actions!`).

use std::collections::HashMap;

use axum::extract::Query;
use axum::http::{Method, Uri};

use super::action::ActionQuery;

/// Who may send a request, and whether it is kept in the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Whoever is logged in.
    Read,
    /// Admins; nothing is changed.
    Secret,
    /// Admins; it is in the audit log.
    Change,
}

impl Access {
    /// What the method says.
    #[must_use]
    pub fn of_method(method: &Method) -> Self {
        match *method {
            Method::GET | Method::HEAD | Method::OPTIONS => Self::Read,
            _ => Self::Change,
        }
    }
}

/// A route as the guard sees it.
#[derive(Clone, Debug)]
pub struct Rule {
    pub access: Access,
    /// Type of the things at this address; empty for none.
    pub noun: &'static str,
    /// Actions that share the route, by name.
    pub actions: HashMap<&'static str, Access>,
}

/// What was asked of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub access: Access,
    pub noun: &'static str,
    /// Name of an action that there is.
    pub action: &'static str,
}

/// The rules of all routes.
#[derive(Debug, Default)]
pub struct Rules(HashMap<(Method, String), Rule>);

impl Rules {
    pub(crate) fn add(&mut self, method: Method, path: &str, rule: Rule) {
        self.0.insert((method, path.to_owned()), rule);
    }

    /// What this request asks; none where no route takes it. The query is read as the dispatch of actions reads it: one
    /// that can't be read, or names no action, changes something for all that is known.
    #[must_use]
    pub fn asked(&self, method: &Method, pattern: &str, uri: &Uri) -> Option<Asked> {
        let method = if *method == Method::HEAD { Method::GET } else { method.clone() };
        let rule = self.0.get(&(method, pattern.to_owned()))?;
        let query = Query::<ActionQuery>::try_from_uri(uri).map(|Query(query)| query.action).unwrap_or_default();
        let action = rule.actions.get_key_value(query.as_str());
        let (action, access) = action.map_or(("", rule.access), |(name, access)| (*name, *access));
        Some(Asked { access, noun: rule.noun, action })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_to_read_changes() {
        let mut rules = Rules::default();
        let actions = [("look", Access::Read), ("break", Access::Change)].into();
        rules.add(Method::POST, "/v1/xs/{name}", Rule { access: Access::Change, noun: "x", actions });
        let of = |uri: &str| {
            rules.asked(&Method::POST, "/v1/xs/{name}", &uri.parse().unwrap()).map(|asked| (asked.action, asked.access))
        };
        assert_eq!(of("/v1/xs/a?action=look"), Some(("look", Access::Read)));
        assert_eq!(of("/v1/xs/a?action=break"), Some(("break", Access::Change)));
        for uri in ["/v1/xs/a", "/v1/xs/a?action=", "/v1/xs/a?action=LOOK", "/v1/xs/a?action=look&action=break"] {
            assert_eq!(of(uri), Some(("", Access::Change)), "{uri}");
        }
        assert_eq!(rules.asked(&Method::PUT, "/v1/xs/{name}", &"/v1/xs/a".parse().unwrap()), None);
    }

    #[test]
    fn a_head_is_what_its_get_is() {
        let mut rules = Rules::default();
        let rule = Rule { access: Access::Secret, noun: "", actions: HashMap::new() };
        rules.add(Method::GET, "/v1/xs", rule);
        let asked = rules.asked(&Method::HEAD, "/v1/xs", &"/v1/xs".parse().unwrap());
        assert_eq!(asked.map(|asked| asked.access), Some(Access::Secret));
    }
}
