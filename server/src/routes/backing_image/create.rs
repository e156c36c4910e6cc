//! `POST /v1/backingimages`: what is wrong with the wish is said at once; the first copy is made in the background.

use aurochs_api::backing_image::{BackingImageCreateInput, SourceType};
use aurochs_engine::backup::BackupUrl;
use axum::Json;
use axum::extract::State;

use crate::auth::User;
use crate::backups::{Backups, remote};
use crate::controllers::backing_image::source;
use crate::controllers::job::keys;
use crate::error::{ApiError, ErrorKind};
use crate::feature::Feature;
use crate::jobs::{Jobs, StartedBy};
use crate::resources::backing_image::BackingImageSpec;
use crate::resources::{BackingImage, Object, Volume};
use crate::routes::body::Body;
use crate::routes::shown;
use crate::settings::{Name, Settings};
use crate::store::Store;
use crate::view::envelope::Links;
use crate::view::shown as view;
use crate::web::request_url::RequestUrl;

/// As long as a label of Kubernetes may be.
const NAME_MAXIMUM: usize = 63;
/// More copies than a volume may have replicas are a slip of the hand.
const COPIES_MAXIMUM: u32 = 20;

/// Answers with the image, which is not there yet.
pub(crate) async fn handle(
    State(store): State<Store>,
    State(settings): State<Settings>,
    State(jobs): State<Jobs>,
    State(backups): State<Backups>,
    url: RequestUrl,
    user: User,
    Body(input): Body<BackingImageCreateInput>,
) -> Result<shown::One<BackingImage>, ApiError> {
    check_name(&input.name)?;
    let source_type = source_type(&input.source_type)?;
    check_checksum(&input.expected_checksum)?;
    check_parameters(&store, &backups, &input, source_type).await?;
    if !matches!(input.data_engine.as_str(), "" | "v1") {
        return Err(ApiError::not_yet(
            Feature::SecondEngine,
            format_args!("backing image {} with dataEngine v2", input.name),
        ));
    }
    let spec = BackingImageSpec {
        source_type,
        source_parameters: input.parameters,
        checksum: input.expected_checksum,
        data_engine: "v1".to_owned(),
        min_number_of_copies: copies(input.min_number_of_copies, &settings)?,
        node_selector: input.node_selector,
        disk_selector: input.disk_selector,
        secret: input.secret,
        secret_namespace: input.secret_namespace,
        ..BackingImageSpec::default()
    };
    jobs.expect(keys::backing_image(&input.name), StartedBy::User(user.name));
    let made = store.create(&Object::<BackingImage>::new(input.name, spec)).await?;
    tracing::info!(image = made.name(), "backing image asked for");
    Ok(Json(view::resource(&made, Links::of(&url))))
}

fn invalid(message: impl std::fmt::Display, next_step: &str) -> ApiError {
    ApiError::new(ErrorKind::Invalid, message, next_step)
}

fn check_name(name: &str) -> Result<(), ApiError> {
    let ends = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let bytes = name.as_bytes();
    if ends(bytes.first())
        && ends(bytes.last())
        && bytes.len() <= NAME_MAXIMUM
        && bytes.iter().all(|&byte| inside(byte))
    {
        return Ok(());
    }
    let message = format_args!("{name:?} is no name of a backing image");
    Err(invalid(message, "Use up to 63 lower-case letters, digits, '-' and '.', with a letter or digit at both ends."))
}

fn source_type(word: &str) -> Result<SourceType, ApiError> {
    serde_json::from_value(word.into()).map_err(|_| {
        let message = format_args!("sourceType can't be {word:?}");
        invalid(message, "Give download, upload, export-from-volume, clone or restore.")
    })
}

/// What the source needs, and that it is there.
async fn check_parameters(
    store: &Store,
    backups: &Backups,
    input: &BackingImageCreateInput,
    source_type: SourceType,
) -> Result<(), ApiError> {
    let (name, parameters) = (&input.name, &input.parameters);
    let parameter = |key: &str| parameters.get(key).map(String::as_str).unwrap_or_default();
    match source_type {
        SourceType::Upload => Ok(()),
        SourceType::Download => check_url(parameter(source::URL)),
        SourceType::ExportFromVolume => {
            let volume = parameter(source::VOLUME_NAME);
            if store.find::<Volume>(volume).await?.is_none() {
                return Err(invalid(format_args!("there is no volume {volume:?} to export"), "Give volume-name."));
            }
            match parameter(source::EXPORT_TYPE) {
                "raw" | "qcow2" => Ok(()),
                other => Err(invalid(format_args!("export-type can't be {other:?}"), "Give raw or qcow2.")),
            }
        }
        SourceType::Clone => {
            let of = parameter(source::BACKING_IMAGE);
            if of == name || store.find::<BackingImage>(of).await?.is_none() {
                return Err(invalid(format_args!("there is no backing image {of:?} to copy"), "Give backing-image."));
            }
            match parameter(source::ENCRYPTION) {
                "" | "ignore" => Ok(()),
                other => {
                    Err(ApiError::not_yet(Feature::EncryptedImages, format_args!("a copy with encryption {other:?}")))
                }
            }
        }
        SourceType::Restore => {
            check_backup(store, backups, parameter(source::BACKUP_URL), &input.expected_checksum).await
        }
    }
}

/// The backup is there, complete, and of what is expected.
async fn check_backup(store: &Store, backups: &Backups, url: &str, expected: &str) -> Result<(), ApiError> {
    let parsed = url.parse::<BackupUrl>();
    let parsed = parsed
        .map_err(|error| invalid(format_args!("backup-url can't be used: {error}"), "Give the url of a backup."))?;
    let Some(image) = &parsed.backing_image else {
        let message = "backup-url names no backing image";
        return Err(invalid(message, "It ends with ?backingImage=<image>; GET /v1/backupbackingimages lists them."));
    };
    let Some(target) = source::target_at(store, &parsed).await? else {
        let message =
            format_args!("backup-url is at {}, which is the address of no backup target", parsed.target.as_str());
        return Err(ApiError::new(
            ErrorKind::Conflict,
            message,
            "Add a backup target with this address, then try again.",
        ));
    };
    let opened = backups.store(target.name(), &target.spec).await?;
    let facts = remote::backing_image(&opened, image).await?;
    if expected.is_empty() || facts.checksum.is_empty() || expected == facts.checksum {
        return Ok(());
    }
    let message = format_args!("the backup of backing image {image} has the checksum {}", facts.checksum);
    Err(invalid(message, "Leave expectedChecksum out, or choose another backup."))
}

/// The URL is not repeated: it may hold a password.
fn check_url(url: &str) -> Result<(), ApiError> {
    let parsed = reqwest::Url::parse(url).ok();
    match parsed.filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some()) {
        Some(_) => Ok(()),
        None => Err(invalid("the parameter url is no address that can be fetched", "Give one of http or https.")),
    }
}

fn check_checksum(checksum: &str) -> Result<(), ApiError> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if checksum.is_empty() || (checksum.len() == 128 && checksum.bytes().all(is_digit)) {
        return Ok(());
    }
    Err(invalid(
        "expectedChecksum is no SHA-512",
        "Give 128 lower-case hexadecimal digits (sha512sum <file>), or leave it out.",
    ))
}

/// As many as wished, or as the setting says.
pub(crate) fn copies(wished: u32, settings: &Settings) -> Result<u32, ApiError> {
    let number = match wished {
        0 => u32::try_from(settings.number(Name::DefaultMinNumberOfBackingImageCopies)).unwrap_or(3),
        wished => wished,
    };
    if number > COPIES_MAXIMUM {
        let message = format_args!("minNumberOfCopies can't be {number}; the most is {COPIES_MAXIMUM}");
        return Err(invalid(message, "Give a smaller number."));
    }
    Ok(number)
}
