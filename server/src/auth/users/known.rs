//! Users as far as it is remembered of them: enough to say what changed, and nothing that could be logged in with.
//!
//! The table [`read`] and [`write`] know what the files said when a manager looked last. It is written after the audit log
//! was told: a manager that ends in between tells the same once more, and nothing is missed.

use std::collections::{BTreeSet, HashMap};

use aurochs_api::session::Role;
use sqlx::{Row, SqlitePool};

use super::Account;
use crate::auth::session::PasswordMark;

/// What is remembered of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::auth) struct Known {
    role: Role,
    mark: PasswordMark,
}

/// By user name.
pub(in crate::auth) type KnownUsers = HashMap<String, Known>;

pub(in crate::auth) fn of(accounts: &HashMap<String, Account>) -> KnownUsers {
    let known = |account: &Account| Known { role: account.role, mark: PasswordMark::of(&account.hash) };
    accounts.iter().map(|(name, account)| (name.clone(), known(account))).collect()
}

/// Who came, who went, and what is different of whom, in the order of the names.
pub(in crate::auth) fn changes(before: &KnownUsers, after: &KnownUsers) -> Vec<String> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let told = |name: &&String| match (before.get(*name), after.get(*name)) {
        (None, Some(now)) => Some(format!("the user {name} was added as {}", now.role.word())),
        (Some(_), None) => Some(format!("the user {name} was removed")),
        (Some(then), Some(now)) if then.role != now.role => Some(format!("{name} is {} now", now.role.word())),
        (Some(then), Some(now)) if then.mark != now.mark => Some(format!("{name} has another password")),
        _ => None,
    };
    names.iter().filter_map(told).collect()
}

/// Empty before the first [`write`].
pub(in crate::auth) async fn read(pool: &SqlitePool) -> sqlx::Result<KnownUsers> {
    let rows = sqlx::query("SELECT name, role, password_mark FROM known_users").fetch_all(pool).await?;
    let mut known = KnownUsers::new();
    for row in rows {
        let role = Role::of_word(row.try_get("role")?).unwrap_or_default();
        let mark = PasswordMark::from_bytes(row.try_get("password_mark")?);
        known.insert(row.try_get("name")?, Known { role, mark });
    }
    Ok(known)
}

pub(in crate::auth) async fn write(pool: &SqlitePool, known: &KnownUsers) -> sqlx::Result<()> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query("DELETE FROM known_users").execute(&mut *transaction).await?;
    for (name, one) in known {
        sqlx::query("INSERT INTO known_users (name, role, password_mark) VALUES (?, ?, ?)")
            .bind(name)
            .bind(one.role.word())
            .bind(&one.mark.bytes()[..])
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_told_without_secrets() {
        let users = |rows: &[(&str, &str, Role)]| -> KnownUsers {
            let account = |hash: &str, role| Account { hash: hash.to_owned(), role };
            of(&rows.iter().map(|(name, hash, role)| ((*name).to_owned(), account(hash, *role))).collect())
        };
        let before = users(&[("ann", "a", Role::Admin), ("bob", "b", Role::Viewer), ("eve", "e", Role::Admin)]);
        let after = users(&[("ann", "new", Role::Admin), ("bob", "b", Role::Admin), ("kim", "k", Role::Viewer)]);
        let expected = [
            "ann has another password",
            "bob is admin now",
            "the user eve was removed",
            "the user kim was added as viewer",
        ];
        assert_eq!(changes(&before, &after), expected);
    }
}
