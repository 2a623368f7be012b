//! DescribeUserScramCredentials 0 and AlterUserScramCredentials 0 (KIP-554): users that clients make, change and remove.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::sasl::scram::{Credential, Hash, ITERATIONS_MAX, ITERATIONS_MIN};
use super::users::{self, Kept, NAME_BYTES_MAX};
use crate::access::{Operation, Resource};
use crate::broker::Broker;
use crate::connection::Reply;
use crate::error::Refusal;
use crate::session::Call;
use crate::wire::{
    AlterUserScramCredentialsRequestData, AlterUserScramCredentialsResponseData,
    AlterUserScramCredentialsResult, CredentialInfo, DescribeUserScramCredentialsRequestData,
    DescribeUserScramCredentialsResponseData, DescribeUserScramCredentialsResult, ErrorCode,
    ScramCredentialUpsertion, text,
};

/// Longest salt, in bytes.
const SALT_BYTES_MAX: usize = 1024;

fn hash_of(mechanism: i8) -> Option<Hash> {
    match mechanism {
        1 => Some(Hash::Sha256),
        2 => Some(Hash::Sha512),
        _ => None,
    }
}

fn number(hash: Hash) -> i8 {
    match hash {
        Hash::Sha256 => 1,
        Hash::Sha512 => 2,
    }
}

pub(crate) async fn describe_user_scram_credentials(
    call: Call,
    request: DescribeUserScramCredentialsRequestData,
) -> Reply<DescribeUserScramCredentialsResponseData> {
    let mut answer = DescribeUserScramCredentialsResponseData::default();
    match described(&call, &request).await {
        Ok(results) => answer.results = results,
        Err(refusal) => {
            answer.error_code = refusal.number();
            answer.error_message = refusal.message.as_deref().map(text);
        }
    }
    answer.into()
}

async fn described(
    call: &Call,
    request: &DescribeUserScramCredentialsRequestData,
) -> Result<Vec<DescribeUserScramCredentialsResult>, Refusal> {
    if !call.may(Operation::Describe, Resource::Cluster) {
        return Err(ErrorCode::ClusterAuthorizationFailed.into());
    }
    let known = all(&call.broker).await?;
    let mut asked: BTreeMap<&str, usize> = BTreeMap::new();
    for user in request.users.iter().flatten() {
        *asked.entry(user.name.as_str()).or_default() += 1;
    }
    if asked.is_empty() {
        asked = known.keys().map(|name| (name.as_str(), 1)).collect();
    }
    let results = asked.into_iter().map(|(name, times)| {
        let mut result = DescribeUserScramCredentialsResult {
            user: text(name),
            ..DescribeUserScramCredentialsResult::default()
        };
        match known.get(name) {
            _ if times > 1 => {
                result.error_code = ErrorCode::DuplicateResource.code();
                result.error_message = Some(text(&format!(
                    "Cannot describe SCRAM credentials for the same user twice in a single request: {name}"
                )));
            }
            Some(credentials) => result.credential_infos = credentials.clone(),
            None => {
                result.error_code = ErrorCode::ResourceNotFound.code();
                result.error_message = Some(text(&format!(
                    "Attempt to describe a user credential that does not exist: {name}"
                )));
            }
        }
        result
    });
    Ok(results.collect())
}

/// All users and what credentials they have.
async fn all(broker: &Broker) -> Result<BTreeMap<String, Vec<CredentialInfo>>, Refusal> {
    let info = |(hash, iterations): (Hash, u32)| CredentialInfo {
        mechanism: number(hash),
        iterations: i32::try_from(iterations).unwrap_or(i32::MAX),
        ..CredentialInfo::default()
    };
    let kept = users::all_kept(&**broker.streams.store()).await?;
    let kept = kept
        .into_iter()
        .map(|(name, kept)| (name, kept.iterations().map(info).collect()));
    let mut all: BTreeMap<String, Vec<CredentialInfo>> = kept.collect();
    for name in broker.security.users.configured() {
        let both = [Hash::Sha256, Hash::Sha512].map(|hash| info((hash, ITERATIONS_MIN)));
        all.insert(name.to_owned(), both.to_vec());
    }
    Ok(all)
}

/// What is to be done with one user.
enum Change<'a> {
    Remove(i8),
    Set(&'a ScramCredentialUpsertion),
}

pub(crate) async fn alter_user_scram_credentials(
    call: Call,
    request: AlterUserScramCredentialsRequestData,
) -> Reply<AlterUserScramCredentialsResponseData> {
    let removals = request
        .deletions
        .iter()
        .map(|one| (one.name.as_str(), Change::Remove(one.mechanism)));
    let sets = request
        .upsertions
        .iter()
        .map(|one| (one.name.as_str(), Change::Set(one)));
    let changes: Vec<(&str, Change<'_>)> = removals.chain(sets).collect();
    let outcomes = altered(&call, &changes).await;
    let results = outcomes.into_iter().map(|(name, outcome)| {
        let mut result = AlterUserScramCredentialsResult {
            user: text(name),
            ..AlterUserScramCredentialsResult::default()
        };
        if let Err(refusal) = outcome {
            result.error_code = refusal.number();
            result.error_message = refusal.message.as_deref().map(text);
        }
        result
    });
    AlterUserScramCredentialsResponseData {
        results: results.collect(),
        ..AlterUserScramCredentialsResponseData::default()
    }
    .into()
}

/// What became of each user named.
async fn altered<'a>(
    call: &Call,
    changes: &[(&'a str, Change<'_>)],
) -> BTreeMap<&'a str, Result<(), Refusal>> {
    let names: BTreeSet<&str> = changes.iter().map(|(name, _)| *name).collect();
    let all = |refusal: Refusal| {
        names
            .iter()
            .map(|name| (*name, Err(refusal.clone())))
            .collect()
    };
    if !call.may(Operation::Alter, Resource::Cluster) {
        return all(ErrorCode::ClusterAuthorizationFailed.into());
    }
    let mut times: HashMap<&str, usize> = HashMap::new();
    for (name, _) in changes {
        *times.entry(name).or_default() += 1;
    }
    // One after the other: two that change one user must not undo each other.
    let _turn = call.broker.security.users.changing.lock().await;
    let mut outcomes = BTreeMap::new();
    let mut kept = Vec::new();
    for (name, change) in changes {
        let outcome = if times.get(name).is_some_and(|times| *times > 1) {
            Err(Refusal::new(
                ErrorCode::DuplicateResource,
                "A user credential cannot be altered twice in the same request",
            ))
        } else {
            changed(&call.broker, name, change).await
        };
        outcomes.insert(
            *name,
            outcome.map(|user| kept.push(((*name).to_owned(), user))),
        );
    }
    match users::keep(&**call.broker.streams.store(), &kept).await {
        Ok(()) => outcomes,
        Err(error) => all(error.into()),
    }
}

/// The user as they are to be kept.
async fn changed(broker: &Broker, name: &str, change: &Change<'_>) -> Result<Kept, Refusal> {
    let unacceptable = |why: &str| Refusal::new(ErrorCode::UnacceptableCredential, why);
    if name.is_empty() {
        return Err(unacceptable("Username must not be empty"));
    }
    if name.len() > NAME_BYTES_MAX || name.contains('\0') {
        return Err(unacceptable(
            "Username must be of at most 1024 bytes, none of them zero",
        ));
    }
    if broker.security.users.is_configured(name) {
        return Err(unacceptable(
            "This user is of the broker's configuration file and can be changed there alone",
        ));
    }
    let (Change::Remove(mechanism) | Change::Set(ScramCredentialUpsertion { mechanism, .. })) =
        change;
    let hash = hash_of(*mechanism).ok_or_else(|| {
        Refusal::new(
            ErrorCode::UnsupportedSaslMechanism,
            "Unknown SCRAM mechanism",
        )
    })?;
    let kept = users::kept(&**broker.streams.store(), name).await?;
    let mut user = kept.unwrap_or_default();
    match change {
        Change::Remove(_) if !user.remove(hash) => Err(Refusal::new(
            ErrorCode::ResourceNotFound,
            "Attempt to delete a user credential that does not exist",
        )),
        Change::Remove(_) => Ok(user),
        Change::Set(asked) => {
            let iterations = u32::try_from(asked.iterations).unwrap_or(0);
            if iterations < ITERATIONS_MIN {
                return Err(unacceptable("Too few iterations"));
            }
            if iterations > ITERATIONS_MAX {
                return Err(unacceptable("Too many iterations"));
            }
            if asked.salt.is_empty() || asked.salt.len() > SALT_BYTES_MAX {
                return Err(unacceptable("The salt must be of 1 to 1024 bytes"));
            }
            if asked.salted_password.len() != hash.bytes() {
                return Err(unacceptable(
                    "The salted password must be as long as the hash",
                ));
            }
            user.set(&Credential::of_salted_password(
                hash,
                &asked.salted_password,
                &asked.salt,
                iterations,
            ));
            Ok(user)
        }
    }
}
