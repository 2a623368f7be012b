//! StartStreamEncryption and StopStreamEncryption. Records are sealed under a data key of the stream, which lies wrapped under the
//! server's master key. The key id that the user gives is kept and told; it names no other key until there is a KMS.

use std::sync::Arc;

use aws::Caller;
use streams::Status;
use streams::stream::Encryption;

use super::api::streams::StreamEncryptionInput;
use super::{Kinesis, KinesisError, naming};

/// Data keys of one stream, all of which must be kept to read what they sealed.
const DATA_KEYS: usize = 1_000;

/// StartStreamEncryption. Another key id makes another data key; the same one changes nothing.
pub(super) async fn start_stream_encryption(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: StreamEncryptionInput,
) -> Result<(), KinesisError> {
    let name = naming::stream_name(
        &caller,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
    )?;
    kinesis
        .change(&name, |stream, settings| {
            must_be_kms(&input)?;
            kinesis.must_be_active(stream)?;
            let current = settings.encryption.as_ref();
            if current.is_some_and(|encryption| encryption.key_id == input.key_id) {
                return Ok(());
            }
            let number = settings.data_keys.len();
            if number >= DATA_KEYS {
                return Err(KinesisError::LimitExceeded(format!(
                    "Stream {} has had {DATA_KEYS} data keys, and may not have more.",
                    name.name
                )));
            }
            settings
                .data_keys
                .push(kinesis.streams.keyring().new_data_key());
            settings.encryption = Some(Encryption {
                key_id: input.key_id.clone(),
                data_key: number as u32,
            });
            settings.show(Status::Updating, kinesis.clock.now());
            Ok(())
        })
        .await
        .map(drop)
}

/// StopStreamEncryption. Records sealed already stay so, and are read as before.
pub(super) async fn stop_stream_encryption(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: StreamEncryptionInput,
) -> Result<(), KinesisError> {
    let name = naming::stream_name(
        &caller,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
    )?;
    kinesis
        .change(&name, |stream, settings| {
            must_be_kms(&input)?;
            kinesis.must_be_active(stream)?;
            if settings.encryption.take().is_some() {
                settings.show(Status::Updating, kinesis.clock.now());
            }
            Ok(())
        })
        .await
        .map(drop)
}

fn must_be_kms(input: &StreamEncryptionInput) -> Result<(), KinesisError> {
    if input.encryption_type == "KMS" {
        return Ok(());
    }
    Err(KinesisError::InvalidArgument(
        "EncryptionType must be KMS: it is the only valid value.".into(),
    ))
}
