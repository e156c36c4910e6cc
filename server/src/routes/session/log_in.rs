//! `GET /login`: the page. `POST /login`: its form.

use axum::Extension;
use axum::Form;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{FromRequest, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::auth::client::{self, Client};
use crate::auth::{Auth, LoginError};
use crate::error::{ApiError, ErrorKind};
use crate::web::login_page::{LoginPage, Target, see_other};
use crate::web::words::Words;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Wanted {
    /// Page to go to afterwards.
    next: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Credentials {
    user: String,
    password: String,
    next: String,
}

/// Shows the empty form.
pub async fn show(headers: HeaderMap, wanted: Result<Query<Wanted>, QueryRejection>) -> Response {
    let target = Target::parse(&wanted.map(|Query(wanted)| wanted.next).unwrap_or_default());
    LoginPage { target, words: Words::asked_for(&headers), ..LoginPage::default() }.respond(StatusCode::OK)
}

/// Checks name and password; sends the browser on, or shows the form again with the reason.
pub(crate) async fn submit(
    State(auth): State<Auth>,
    Extension(client): Extension<Client>,
    request: Request,
) -> Response {
    if client::sender(request.headers(), &client) == client::Sender::Foreign {
        return foreign_form().into_response();
    }
    let words = Words::asked_for(request.headers());
    let form = match Form::<Credentials>::from_request(request, &()).await {
        Ok(Form(form)) => form,
        Err(rejection) => return not_a_form(&rejection).into_response(),
    };
    let target = Target::parse(&form.next);
    // People copy names with a blank at the end.
    let name = form.user.trim();
    match auth.log_in(name, &form.password, &client).await {
        Ok(token) => {
            let mut response = see_other(&target.location());
            response.headers_mut().insert(header::SET_COOKIE, token.set_cookie(client.is_encrypted));
            response
        }
        Err(error) => {
            if matches!(error, LoginError::Wrong) {
                auth.note_wrong(name, &client);
            }
            show_again(&form, target, error, words)
        }
    }
}

fn show_again(form: &Credentials, target: Target, error: LoginError, words: Words) -> Response {
    let problem = match &error {
        // Those of tokens come of no password.
        LoginError::Wrong | LoginError::BadToken | LoginError::NoRole(_) => {
            words.of("The user name or the password is wrong.").to_owned()
        }
        LoginError::TooMany(wait) => {
            words.filled("Too many wrong passwords. Wait {} s, then try again.", wait.as_secs() + 1)
        }
        LoginError::Busy => words.of("Many logins are waiting. Try again in a moment.").to_owned(),
        LoginError::Failed(_) => {
            words.of("The login can't be checked right now. The manager's log says why.").to_owned()
        }
    };
    let error = ApiError::from(error);
    let page = LoginPage { user: form.user.clone(), target, problem: Some(problem), words };
    let mut response = page.respond(error.kind.status());
    if let Some(value) = error.retry_after_header() {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

fn foreign_form() -> ApiError {
    let next_step = "Open the login page of this manager itself. A proxy in front of it that changes the header Host is \
                     named to the manager with --trusted-proxy, and sends X-Forwarded-Host.";
    ApiError::new(ErrorKind::Forbidden, "the login was sent by another site's page", next_step)
}

fn not_a_form(rejection: &FormRejection) -> ApiError {
    ApiError::new(
        ErrorKind::BadRequest,
        format_args!("the login is not a form with user and password: {rejection}"),
        "Use the login page, or HTTP Basic on any address.",
    )
}
