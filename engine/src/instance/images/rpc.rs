//! Errors as gRPC has them.

use tonic::Status;

use super::ImageError;

/// The one table from errors to gRPC codes.
pub(in crate::instance) fn image_status(error: &ImageError) -> Status {
    let message = error.to_string();
    match error {
        ImageError::Name(_) | ImageError::Uuid(_) | ImageError::Incomplete(_) | ImageError::Length { .. } => {
            Status::invalid_argument(message)
        }
        ImageError::Missing(_) => Status::not_found(message),
        ImageError::Busy(_) => Status::already_exists(message),
        ImageError::Disk(crate::instance::disk::DiskError::Io { .. } | crate::instance::disk::DiskError::Hangs(_)) => {
            Status::unavailable(message)
        }
        ImageError::NoSpace { .. } | ImageError::TooLarge { .. } => Status::resource_exhausted(message),
        ImageError::Disk(_)
        | ImageError::Checksum { .. }
        | ImageError::Empty
        | ImageError::Unusable(_)
        | ImageError::Source(_)
        | ImageError::Export(_) => Status::failed_precondition(message),
        ImageError::Backup(error) if error.is_transient() => Status::unavailable(message),
        ImageError::Backup(_) => Status::failed_precondition(message),
        ImageError::Io { .. } | ImageError::GivenUp => Status::internal(message),
    }
}
