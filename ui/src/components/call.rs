//! A call on its way: what a dialog shows of it.

use std::future::Future;

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::api::ApiError;

#[derive(Clone, Copy)]
pub(crate) struct Call {
    pub(crate) busy: RwSignal<bool>,
    pub(crate) error: RwSignal<Option<ApiError>>,
}

impl Call {
    pub(crate) fn new() -> Self {
        Self { busy: RwSignal::new(false), error: RwSignal::new(None) }
    }

    /// Runs one call at a time; `done` runs when it succeeded. The dialog may be closed before the answer comes.
    pub(crate) fn run<T: 'static>(
        self,
        work: impl Future<Output = Result<T, ApiError>> + 'static,
        done: impl FnOnce(T) + 'static,
    ) {
        if self.busy.get_untracked() {
            return;
        }
        self.busy.set(true);
        self.error.set(None);
        spawn_local(async move {
            let outcome = work.await;
            _ = self.busy.try_set(false);
            match outcome {
                Ok(answer) => done(answer),
                Err(error) => _ = self.error.try_set(Some(error)),
            }
        });
    }

    /// The same work for each of several names, in order. A name leaves `names` when its work is done, so that after
    /// a refusal the dialog stands there with the reason and with what is left.
    pub(crate) fn run_for_each<W, F>(self, names: RwSignal<Vec<String>>, work: W, done: impl FnOnce(usize) + 'static)
    where
        W: Fn(String) -> F + 'static,
        F: Future<Output = Result<(), ApiError>> + 'static,
    {
        let all = names.get_untracked();
        let number = all.len();
        let series = async move {
            for name in all {
                work(name.clone()).await?;
                // Nobody may be looking any more.
                _ = names.try_update(|left| left.retain(|other| *other != name));
            }
            Ok(number)
        };
        self.run(series, done);
    }
}

/// Why the last try failed and what to do next; announced to screen readers.
#[component]
pub(crate) fn Failure(#[prop(into)] error: Signal<Option<ApiError>>) -> impl IntoView {
    view! {
        <div role="alert" class="failure-place">
            {move || error.get().map(|error| {
                let next_step = (!error.next_step.is_empty()).then(|| view! { <p class="dim">{error.next_step}</p> });
                view! { <div class="failure" data-testid="failure"><p>{error.message}</p>{next_step}</div> }
            })}
        </div>
    }
}
