//! `GET /v1/samples?volume=…` and `GET /v1/samples?node=…&disk=…`

use aurochs_api::sample::{Samples as View, SamplesQuestion};
use aurochs_api::schema::Resource;
use axum::Json;
use axum::extract::{Query, State};

use crate::app::App;
use crate::error::{ApiError, ErrorKind};
use crate::resources::{Node, Volume, timestamp};
use crate::samples::{Asked, Samples};
use crate::view::envelope;
use crate::web::request_url::RequestUrl;

/// What is asked for when nothing is said.
const RANGE_DEFAULT_SECONDS: u64 = 60 * 60;

/// The points of one volume or one disk.
pub async fn handle(
    State(app): State<App>,
    url: RequestUrl,
    Query(question): Query<SamplesQuestion>,
) -> Result<Json<Resource<View>>, ApiError> {
    let asked = asked(&question)?;
    let SamplesQuestion { volume, node, disk, .. } = question;
    let mut view = View { from: asked.from, to: asked.to, volume, node, disk, ..View::default() };
    let failed = |error| ApiError::internal("reading samples", error);
    let step = match (view.volume.is_empty(), view.disk.is_empty()) {
        (false, true) => {
            let found = app.samples.io(&view.volume, asked).await.map_err(failed)?;
            view.io = found.points;
            // One that was never attached has none; one that is gone takes its past along.
            if view.io.is_empty() {
                app.store.get::<Volume>(&view.volume).await?;
            }
            found.step
        }
        (true, false) => {
            let found = app.samples.space(&view.node, &view.disk, asked).await.map_err(failed)?;
            view.space = found.points;
            if view.space.is_empty() && !app.store.get::<Node>(&view.node).await?.spec.disks.contains_key(&view.disk) {
                return Err(ApiError::not_found("disk", &view.disk));
            }
            found.step
        }
        _ => {
            let message = "samples are those of one volume or of one disk";
            return Err(invalid(message, "Ask ?volume=data, or ?node=node-1&disk=disk-1."));
        }
    };
    view.step = u32::try_from(step).unwrap_or(u32::MAX);
    Ok(Json(envelope::singleton("samples", &url, view)))
}

fn invalid(message: impl std::fmt::Display, next_step: impl std::fmt::Display) -> ApiError {
    ApiError::new(ErrorKind::Invalid, message, next_step)
}

fn asked(question: &SamplesQuestion) -> Result<Asked, ApiError> {
    let to = moment("to", &question.to)?.unwrap_or_else(Samples::now);
    let from = moment("from", &question.from)?.unwrap_or_else(|| to.saturating_sub(RANGE_DEFAULT_SECONDS));
    if from >= to {
        return Err(invalid(format_args!("from ({from}) is not before to ({to})"), "Give a from that is earlier."));
    }
    Ok(Asked { from, to, step: question.step.map(u64::from) })
}

/// After the year 9999 there are no moments.
const MOMENT_MAXIMUM: u64 = 253_402_300_799;

fn moment(field: &str, text: &str) -> Result<Option<u64>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = text
        .parse::<u64>()
        .ok()
        .or_else(|| timestamp::parse(text).and_then(|moment| u64::try_from(moment.unix_timestamp()).ok()));
    match parsed.filter(|moment| *moment <= MOMENT_MAXIMUM) {
        Some(moment) => Ok(Some(moment)),
        None => {
            let message = format_args!("{field} is no moment: {text:?}");
            Err(invalid(message, "Give seconds since 1970 or RFC 3339, 2026-11-22T01:00:00Z."))
        }
    }
}
