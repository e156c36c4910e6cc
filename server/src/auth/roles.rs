//! Who may change things: the file `DIR/roles` beside the users' file, a line `name: viewer` for each user who may only
//! look.
//!
//! A user without a line is an admin, so that an htpasswd file that was made for Longhorn's ingress goes on meaning what
//! it meant there: whoever has a password may do everything. `*: viewer` turns that round, for all who have no line of
//! their own. The file is taken as a whole or not at all: half of it understood could make an admin of a viewer.

use std::collections::HashMap;

use aurochs_api::session::Role;

/// Name of the file in the manager's directory.
pub const FILE: &str = "roles";
/// Stands for everybody who has no line.
pub(super) const EVERYBODY: &str = "*";

/// Why the file is of no use. The line is named by number alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is not of the form `name: viewer` or `name: admin`, or names somebody again")]
pub struct RolesError {
    line: usize,
}

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Roles(HashMap<String, Role>);

impl Roles {
    pub(super) fn parse(text: &str) -> Result<Self, RolesError> {
        let mut roles = HashMap::new();
        for (index, line) in text.lines().enumerate() {
            if is_remark(line) {
                continue;
            }
            let error = RolesError { line: index + 1 };
            let (name, role) = entry(line).ok_or_else(|| error.clone())?;
            if roles.insert(name.to_owned(), role).is_some() {
                return Err(error);
            }
        }
        Ok(Self(roles))
    }

    pub(super) fn of(&self, name: &str) -> Role {
        self.0.get(name).or_else(|| self.0.get(EVERYBODY)).copied().unwrap_or(Role::Admin)
    }
}

impl Roles {
    /// These, and those of others whom these don't name.
    pub(super) fn over(mut self, others: &Self) -> Self {
        for (name, role) in &others.0 {
            self.0.entry(name.clone()).or_insert(*role);
        }
        self
    }

    /// As a file.
    pub(super) fn text(&self) -> String {
        self.0.iter().map(|(name, role)| format!("{name}: {}\n", role.word())).collect()
    }
}

fn is_remark(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// Name and role of a line. A name can't have a colon in it, as in htpasswd.
fn entry(line: &str) -> Option<(&str, Role)> {
    let (name, role) = line.split_once(':')?;
    let (name, role) = (name.trim(), Role::of_word(role.trim())?);
    (!name.is_empty()).then_some((name, role))
}

/// The file's text with this user's role in it; other lines stay as they are.
pub(super) fn with(text: &str, name: &str, role: Option<Role>) -> String {
    let own = |line: &&str| !is_remark(line) && entry(line).is_some_and(|(found, _)| found == name);
    let mut lines: Vec<String> = text.lines().filter(|line| !own(line)).map(str::to_owned).collect();
    lines.extend(role.map(|role| format!("{name}: {}", role.word())));
    lines.into_iter().map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_no_line_is_an_admin_unless_everybody_has_one() {
        let roles = Roles::parse("# people\n\nbob : viewer\nann:admin\n").unwrap();
        assert_eq!(["ann", "bob", "eve"].map(|name| roles.of(name)), [Role::Admin, Role::Viewer, Role::Admin]);
        let roles = Roles::parse("*: viewer\nann: admin").unwrap();
        assert_eq!(["ann", "bob"].map(|name| roles.of(name)), [Role::Admin, Role::Viewer]);
        assert_eq!(Roles::parse("").unwrap().of("ann"), Role::Admin);
    }

    #[test]
    fn whom_the_new_ones_dont_name_the_old_ones_do() {
        let (new, old) =
            (Roles::parse("ann: admin\nbob: viewer").unwrap(), Roles::parse("ann: viewer\neve: viewer").unwrap());
        let both = new.over(&old);
        assert_eq!(
            ["ann", "bob", "eve", "zoe"].map(|name| both.of(name)),
            [Role::Admin, Role::Viewer, Role::Viewer, Role::Admin]
        );
        assert_eq!(Roles::parse(&both.text()), Ok(both));
    }

    #[test]
    fn a_slip_is_told_by_its_line() {
        for text in ["bob", "bob: viewre", ": viewer", "bob: viewer extra", "bob: admin\nbob: viewer"] {
            let lines = text.lines().count();
            assert_eq!(Roles::parse(text), Err(RolesError { line: lines }), "{text}");
        }
    }

    #[test]
    fn a_change_leaves_the_other_lines() {
        let text = "# who looks only\nbob: viewer\neve:viewer\n";
        assert_eq!(with(text, "bob", None), "# who looks only\neve:viewer\n");
        assert_eq!(with(text, "ann", Some(Role::Viewer)), format!("{text}ann: viewer\n"));
        assert_eq!(with("", "ann", Some(Role::Viewer)), "ann: viewer\n");
    }
}
