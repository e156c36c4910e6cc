//! What is asked of the manager that is no volume's: jobs, settings, nodes.

use rand::Rng;
use rand::seq::IndexedRandom;
use reqwest::Method;
use serde_json::{Value, json};

use crate::model::Outcome;
use crate::operations::Operation as Op;
use crate::operations::{EVICTED_DISK_NODE, EVICTED_NODE, JOB, Operation, SETTINGS, TAGGED_NODE, User};

impl User<'_> {
    pub(crate) async fn job_of(&mut self, at: usize, joins: bool) -> Outcome {
        let action = if joins { "recurringJobAdd" } else { "recurringJobDelete" };
        let outcome = self.action(at, action, json!({"name": JOB, "isGroup": false})).await;
        self.model.volumes[at].in_job.after(outcome, joins);
        outcome
    }

    pub(crate) async fn act_elsewhere(&mut self, operation: Operation) -> Outcome {
        match operation {
            Op::CreateJob => {
                let body = json!({"name": JOB, "task": "snapshot", "cron": "0 0 1 1 *", "retain": 1, "concurrency": 1});
                let outcome = self.manager.ask(Method::POST, "v1/recurringjobs", Some(body)).await.outcome;
                self.model.job.after(outcome, true);
                outcome
            }
            Op::DeleteJob => {
                let path = format!("v1/recurringjobs/{JOB}");
                let outcome = self.manager.ask(Method::DELETE, &path, None).await.outcome;
                self.model.job.after(outcome, false);
                // The volumes have left it, then.
                for volume in &mut self.model.volumes {
                    volume.in_job.after(outcome, false);
                }
                outcome
            }
            Op::ChangeSetting => {
                let (name, values) = *SETTINGS.choose(self.random).unwrap();
                let value = (*values.choose(self.random).unwrap()).to_owned();
                let body = Some(json!({"value": value}));
                let outcome = self.manager.ask(Method::PUT, &format!("v1/settings/{name}"), body).await.outcome;
                self.model.settings.get_mut(name).unwrap().after(outcome, value);
                outcome
            }
            Op::TagNode => {
                let tags = if self.random.random() { vec!["fast".to_owned()] } else { Vec::new() };
                let path = format!("v1/nodes/{TAGGED_NODE}");
                let outcome = self.manager.ask(Method::PUT, &path, Some(json!({"tags": tags}))).await.outcome;
                self.model.tags.after(outcome, tags);
                outcome
            }
            // One at a time: the others have to have room for three replicas.
            Op::EvictNode if self.model.disk_evicted.certain() == Some(&false) => self.evict_node(true).await,
            Op::EvictDisk if self.model.evicted.certain() == Some(&false) => self.evict_disk(true).await,
            Op::EndEviction if self.model.evicted.admits(&true) => self.evict_node(false).await,
            Op::EndEviction if self.model.disk_evicted.admits(&true) => self.evict_disk(false).await,
            _ => Outcome::Refused,
        }
    }

    /// As the dashboard does: all disks are sent back.
    async fn evict_disk(&mut self, wished: bool) -> Outcome {
        let path = format!("v1/nodes/{EVICTED_DISK_NODE}");
        let mut answer = self.manager.ask(Method::GET, &path, None).await;
        let disks = answer.body["disks"].take();
        let Value::Object(mut disks) = disks else { return Outcome::Refused };
        for disk in disks.values_mut() {
            (disk["allowScheduling"], disk["evictionRequested"]) = (json!(!wished), json!(wished));
        }
        let body = Some(json!({"disks": disks}));
        let outcome = self.manager.ask(Method::POST, &format!("{path}?action=diskUpdate"), body).await.outcome;
        self.model.disk_evicted.after(outcome, wished);
        outcome
    }

    async fn evict_node(&mut self, wished: bool) -> Outcome {
        let body = json!({"allowScheduling": !wished, "evictionRequested": wished});
        let outcome = self.manager.ask(Method::PUT, &format!("v1/nodes/{EVICTED_NODE}"), Some(body)).await.outcome;
        self.model.evicted.after(outcome, wished);
        outcome
    }
}
