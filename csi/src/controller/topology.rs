//! From where a volume can be reached.

use std::collections::HashMap;

use crate::csi::{Topology, TopologyRequirement};
use crate::driver::Driver;
use crate::failure::Failure;
use crate::parameters::{self, Parameters};

/// Node labels that Kubernetes may place volumes by, with commas between them.
const SETTING: &str = "csi-allowed-topology-keys";
const STRICT: &str = "strictTopology";

/// The keys that count.
pub(crate) async fn keys(driver: &Driver) -> Result<Vec<String>, Failure> {
    let said = driver.manager().setting(SETTING).await?;
    Ok(said.split(',').map(str::trim).filter(|key| !key.is_empty()).map(str::to_owned).collect())
}

/// Nothing where the volume can be used everywhere, which is so unless the setting names keys.
pub(super) async fn of_volume(
    driver: &Driver,
    asked: Option<&TopologyRequirement>,
    class: &Parameters,
) -> Result<Vec<Topology>, Failure> {
    let Some(asked) = asked else { return Ok(Vec::new()) };
    // Its one replica goes where it is used.
    if parameters::text(class, "dataLocality") == "strict-local" {
        return Ok(Vec::new());
    }
    let strict = parameters::flag(class, STRICT)? == Some(true);
    Ok(chosen(asked, &keys(driver).await?, strict))
}

fn chosen(asked: &TopologyRequirement, keys: &[String], strict: bool) -> Vec<Topology> {
    let terms = if asked.preferred.is_empty() { &asked.requisite } else { &asked.preferred };
    let mut found: Vec<Topology> = Vec::new();
    for term in terms.iter().take(if strict { 1 } else { usize::MAX }) {
        let kept = term.segments.iter().filter(|(key, _)| keys.contains(key));
        let segments: HashMap<String, String> = kept.map(|(key, value)| (key.clone(), value.clone())).collect();
        let term = Topology { segments };
        if !term.segments.is_empty() && !found.contains(&term) {
            found.push(term);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(segments: &[(&str, &str)]) -> Topology {
        Topology { segments: segments.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect() }
    }

    #[test]
    fn by_the_keys_that_are_allowed() {
        let zone = vec!["zone".to_owned()];
        let asked = TopologyRequirement {
            requisite: vec![term(&[("zone", "c")])],
            preferred: vec![
                term(&[("zone", "a"), ("host", "1")]),
                term(&[("zone", "a"), ("host", "2")]),
                term(&[("zone", "b"), ("host", "3")]),
            ],
        };
        assert_eq!(chosen(&asked, &zone, false), [term(&[("zone", "a")]), term(&[("zone", "b")])]);
        assert_eq!(chosen(&asked, &zone, true), [term(&[("zone", "a")])]);
        assert!(chosen(&asked, &[], false).is_empty());
        let requisite = TopologyRequirement { preferred: Vec::new(), ..asked };
        assert_eq!(chosen(&requisite, &zone, false), [term(&[("zone", "c")])]);
    }
}
