//! Who is logged in, and how users and passwords are changed: on the manager's machine, as long as the API has no users.

use leptos::prelude::*;

use crate::components::command::Command;
use crate::components::facts::{FactList, fact};
use crate::components::page::Section;
use crate::role;
use crate::words::tr;

const COMMANDS: [(&str, &str); 5] = [
    ("Change a password", "aurochs user passwd ann --data DATA"),
    ("Add a viewer", "aurochs user add ann --data DATA"),
    ("Add an administrator", "aurochs user add ann --role admin --data DATA"),
    ("Change a role", "aurochs user role ann viewer --data DATA"),
    ("Remove a user", "aurochs user remove ann --data DATA"),
];

#[component]
pub(crate) fn Access() -> impl IntoView {
    let user = || role::session().map(|session| session.user).unwrap_or_default();
    let what = || match role::session() {
        None => String::new(),
        Some(_) if role::is_admin() => tr("Administrator: may do everything").to_owned(),
        Some(_) => tr("Viewer: may look at everything but secrets and the audit log").to_owned(),
    };
    let line = |(label, command): (&'static str, &'static str)| {
        let label = match label {
            "Change a password" => tr("Change a password"),
            "Add a viewer" => tr("Add a viewer"),
            "Add an administrator" => tr("Add an administrator"),
            "Change a role" => tr("Change a role"),
            _ => tr("Remove a user"),
        };
        view! { <div class="fact"><span class="label">{label}</span><Command label text=command.to_owned() /></div> }
    };
    view! {
        <div class="stack">
            <Section title="You">
                <FactList facts=vec![("User", fact(user)), ("Role", fact(what))] />
            </Section>
            <Section title="Users and passwords">
                <p class="dim">{tr("Users are kept in a file beside the manager's data, as web servers have them. These commands change it on the manager's machine, whether it runs or not; DATA is its data directory. A changed password ends the sessions of that user.")}</p>
                {COMMANDS.into_iter().map(line).collect_view()}
            </Section>
        </div>
    }
}
