//! Checksums of bodies: which were asked for, computing them as bytes pass, and checking them at the end.
//!
//! Source: "Checking object integrity" in the S3 user guide. A request names at most one algorithm. Of a multipart object
//! the checksum is either over the parts' checksums (`COMPOSITE`, marked by `-N`) or, for CRCs, over the whole
//! (`FULL_OBJECT`), which is computed from the parts' without reading them again.

use crc_fast::{CrcAlgorithm, checksum_combine};
use http::HeaderMap;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::dto;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// An algorithm S3 knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Algorithm {
    #[serde(rename = "CRC32")]
    Crc32,
    #[serde(rename = "CRC32C")]
    Crc32c,
    #[serde(rename = "CRC64NVME")]
    Crc64Nvme,
    #[serde(rename = "SHA1")]
    Sha1,
    #[serde(rename = "SHA256")]
    Sha256,
}

/// What a checksum of a multipart object is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// The object's bytes.
    #[serde(rename = "FULL_OBJECT")]
    Whole,
    /// Its parts' checksums.
    #[serde(rename = "COMPOSITE")]
    Composite,
}

/// A checksum as it is stored and shown: base64, with `-N` behind it if it is over N parts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Checksum {
    pub(crate) algorithm: Algorithm,
    pub(crate) kind: Kind,
    pub(crate) value: String,
}

impl Algorithm {
    /// All of them, each with its header.
    const ALL: [(Algorithm, &'static str); 5] = [
        (Algorithm::Crc32, "x-amz-checksum-crc32"),
        (Algorithm::Crc32c, "x-amz-checksum-crc32c"),
        (Algorithm::Crc64Nvme, "x-amz-checksum-crc64nvme"),
        (Algorithm::Sha1, "x-amz-checksum-sha1"),
        (Algorithm::Sha256, "x-amz-checksum-sha256"),
    ];

    /// By the name AWS gives it.
    pub(crate) fn parse(name: &dto::ChecksumAlgorithm) -> Result<Algorithm> {
        let name = name.as_str();
        let known = Algorithm::ALL
            .iter()
            .map(|(algorithm, _)| *algorithm)
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name));
        known.ok_or_else(|| {
            Error::request("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
        })
    }

    /// AWS's name for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Algorithm::Crc32 => dto::ChecksumAlgorithm::CRC32,
            Algorithm::Crc32c => dto::ChecksumAlgorithm::CRC32C,
            Algorithm::Crc64Nvme => dto::ChecksumAlgorithm::CRC64NVME,
            Algorithm::Sha1 => dto::ChecksumAlgorithm::SHA1,
            Algorithm::Sha256 => dto::ChecksumAlgorithm::SHA256,
        }
    }

    /// What a multipart checksum is over where the client does not say.
    pub(crate) fn default_kind(self) -> Kind {
        match self {
            Algorithm::Crc64Nvme => Kind::Whole,
            _ => Kind::Composite,
        }
    }

    /// Length of its bare value in bytes.
    fn length(self) -> usize {
        match self {
            Algorithm::Crc32 | Algorithm::Crc32c => 4,
            Algorithm::Crc64Nvme => 8,
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
        }
    }

    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Algorithm::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Algorithm::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Algorithm::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Algorithm::Sha1 | Algorithm::Sha256 => None,
        }
    }

    /// Whether checksums of this algorithm can be of this kind.
    pub(crate) fn allows(self, kind: Kind) -> bool {
        match kind {
            Kind::Whole => self.crc().is_some(),
            Kind::Composite => self != Algorithm::Crc64Nvme,
        }
    }

    fn decode(self, value: &str) -> Result<Vec<u8>> {
        let bytes = base64_simd::STANDARD.decode_to_vec(value.as_bytes()).ok();
        bytes
            .filter(|bytes| bytes.len() == self.length())
            .ok_or_else(|| {
                Error::request(format!(
                    "Value for x-amz-checksum-{} header is invalid.",
                    self.name().to_ascii_lowercase()
                ))
            })
    }
}

impl Kind {
    /// AWS's name for it.
    pub(crate) fn to_dto(self) -> dto::ChecksumType {
        dto::ChecksumType::from_static(match self {
            Kind::Whole => dto::ChecksumType::FULL_OBJECT,
            Kind::Composite => dto::ChecksumType::COMPOSITE,
        })
    }

    /// By the name AWS gives it.
    pub(crate) fn parse(name: &dto::ChecksumType) -> Result<Kind> {
        match name.as_str() {
            dto::ChecksumType::FULL_OBJECT => Ok(Kind::Whole),
            dto::ChecksumType::COMPOSITE => Ok(Kind::Composite),
            _ => Err(Error::request(
                "Value for x-amz-checksum-type header is invalid.",
            )),
        }
    }
}

/// A checksum as the fields S3's answers have it in.
pub(crate) fn shown(checksum: Option<&Checksum>) -> dto::Checksum {
    let mut fields = dto::Checksum::default();
    let Some(checksum) = checksum else {
        return fields;
    };
    let value = Some(checksum.value.clone());
    match checksum.algorithm {
        Algorithm::Crc32 => fields.checksum_crc32 = value,
        Algorithm::Crc32c => fields.checksum_crc32c = value,
        Algorithm::Crc64Nvme => fields.checksum_crc64nvme = value,
        Algorithm::Sha1 => fields.checksum_sha1 = value,
        Algorithm::Sha256 => fields.checksum_sha256 = value,
    }
    fields.checksum_type = Some(checksum.kind.to_dto());
    fields
}

/// The checksum a set of fields names; at most one may be.
pub(crate) fn single(fields: &dto::Checksum) -> Result<Option<(Algorithm, String)>> {
    let all = [
        (Algorithm::Crc32, &fields.checksum_crc32),
        (Algorithm::Crc32c, &fields.checksum_crc32c),
        (Algorithm::Crc64Nvme, &fields.checksum_crc64nvme),
        (Algorithm::Sha1, &fields.checksum_sha1),
        (Algorithm::Sha256, &fields.checksum_sha256),
    ];
    let mut given = all
        .into_iter()
        .filter_map(|(algorithm, value)| Some((algorithm, value.clone()?)));
    let first = given.next();
    if given.next().is_some() {
        return Err(Error::request(
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        ));
    }
    Ok(first)
}

/// What a request says of its body's checksum.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Wanted {
    /// To be computed and stored.
    Computed(Algorithm),
    /// To be this.
    Given(Algorithm, String),
    /// To be what the trailer says.
    InTrailer(Algorithm),
}

impl Wanted {
    /// From the request's headers: a value, a trailer announced, or an algorithm named.
    pub(crate) fn of(
        fields: &dto::Checksum,
        named: Option<&dto::ChecksumAlgorithm>,
        headers: &HeaderMap,
    ) -> Result<Option<Wanted>> {
        if let Some((algorithm, value)) = single(fields)? {
            algorithm.decode(&value)?;
            return Ok(Some(Wanted::Given(algorithm, value)));
        }
        let announced = headers
            .get_all("x-amz-trailer")
            .iter()
            .filter_map(|names| names.to_str().ok())
            .flat_map(|names| names.split(','));
        for name in announced {
            let name = name.trim();
            if let Some((algorithm, _)) = Algorithm::ALL
                .iter()
                .find(|(_, header)| header.eq_ignore_ascii_case(name))
            {
                return Ok(Some(Wanted::InTrailer(*algorithm)));
            }
        }
        named
            .map(|name| Algorithm::parse(name).map(Wanted::Computed))
            .transpose()
    }

    /// The algorithm.
    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            Wanted::Computed(algorithm)
            | Wanted::Given(algorithm, _)
            | Wanted::InTrailer(algorithm) => *algorithm,
        }
    }

    /// Holds what was computed against what the client said.
    pub(crate) fn check(&self, computed: &Checksum, trailers: Option<&HeaderMap>) -> Result<()> {
        let expected = match self {
            Wanted::Computed(_) => return Ok(()),
            Wanted::Given(_, value) => value.as_str(),
            Wanted::InTrailer(algorithm) => {
                let header = Algorithm::ALL
                    .iter()
                    .find_map(|(known, header)| (known == algorithm).then_some(*header))
                    .unwrap_or_default();
                trailers
                    .and_then(|trailers| trailers.get(header)?.to_str().ok())
                    .ok_or_else(|| {
                        Error::request("The trailer announced in x-amz-trailer did not come.")
                    })?
            }
        };
        if expected == computed.value {
            Ok(())
        } else {
            Err(Error::BadDigest(computed.algorithm.name()))
        }
    }
}

/// Computes one checksum as bytes pass.
pub(crate) enum Hasher {
    Crc32(Crc32),
    Crc32c(Crc32c),
    Crc64Nvme(Crc64Nvme),
    Sha1(Box<Sha1>),
    Sha256(Box<Sha256>),
}

impl Hasher {
    pub(crate) fn new(algorithm: Algorithm) -> Hasher {
        match algorithm {
            Algorithm::Crc32 => Hasher::Crc32(Crc32::new()),
            Algorithm::Crc32c => Hasher::Crc32c(Crc32c::new()),
            Algorithm::Crc64Nvme => Hasher::Crc64Nvme(Crc64Nvme::new()),
            Algorithm::Sha1 => Hasher::Sha1(Box::new(Sha1::new())),
            Algorithm::Sha256 => Hasher::Sha256(Box::new(Sha256::new())),
        }
    }

    pub(crate) fn update(&mut self, data: &[u8]) {
        match self {
            Hasher::Crc32(crc) => crc.update(data),
            Hasher::Crc32c(crc) => crc.update(data),
            Hasher::Crc64Nvme(crc) => crc.update(data),
            Hasher::Sha1(sha) => sha.update(data),
            Hasher::Sha256(sha) => sha.update(data),
        }
    }

    pub(crate) fn finish(self) -> Checksum {
        let (algorithm, bytes) = match self {
            Hasher::Crc32(crc) => (Algorithm::Crc32, crc.finalize().to_vec()),
            Hasher::Crc32c(crc) => (Algorithm::Crc32c, crc.finalize().to_vec()),
            Hasher::Crc64Nvme(crc) => (Algorithm::Crc64Nvme, crc.finalize().to_vec()),
            Hasher::Sha1(sha) => (Algorithm::Sha1, sha.finalize().to_vec()),
            Hasher::Sha256(sha) => (Algorithm::Sha256, sha.finalize().to_vec()),
        };
        Checksum {
            algorithm,
            kind: Kind::Whole,
            value: base64_simd::STANDARD.encode_to_string(bytes),
        }
    }
}

/// The checksum of an object from those of its parts, each with its size in bytes.
pub(crate) fn of_parts(
    algorithm: Algorithm,
    kind: Kind,
    parts: &[(&str, u64)],
) -> Result<Checksum> {
    let value = match (kind, algorithm.crc()) {
        (Kind::Whole, Some(crc)) => {
            let mut whole = 0;
            for (at, (value, size)) in parts.iter().enumerate() {
                let part = algorithm.decode(value)?;
                let part = part.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
                whole = if at == 0 {
                    part
                } else {
                    checksum_combine(crc, whole, part, *size)
                };
            }
            let bytes = whole.to_be_bytes();
            base64_simd::STANDARD.encode_to_string(&bytes[bytes.len() - algorithm.length()..])
        }
        _ => {
            let mut over = Hasher::new(algorithm);
            for (value, _) in parts {
                over.update(&algorithm.decode(value)?);
            }
            format!("{}-{}", over.finish().value, parts.len())
        }
    };
    Ok(Checksum {
        algorithm,
        kind,
        value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(algorithm: Algorithm, data: &[u8]) -> Checksum {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(data);
        hasher.finish()
    }

    #[test]
    fn values_are_those_others_compute() {
        let check = |algorithm, expected: &str| {
            assert_eq!(of(algorithm, b"123456789").value, expected);
        };
        // The check values of the CRC catalogue: cbf43926, e3069283, ae8b14860a799888.
        check(Algorithm::Crc32, "y/Q5Jg==");
        check(Algorithm::Crc32c, "4waSgw==");
        check(Algorithm::Crc64Nvme, "rosUhgp5mIg=");
        check(Algorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE=");
    }

    #[test]
    fn whole_crcs_of_parts_are_those_of_the_whole() {
        let data: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let parts: Vec<_> = data
                .chunks(77_777)
                .map(|part| (of(algorithm, part).value, part.len() as u64))
                .collect();
            let parts: Vec<_> = parts
                .iter()
                .map(|(value, size)| (&**value, *size))
                .collect();
            let whole = of_parts(algorithm, Kind::Whole, &parts).unwrap();
            assert_eq!(whole, of(algorithm, &data), "{algorithm:?}");
        }
    }

    #[test]
    fn composite_checksums_are_over_the_parts() {
        let part = of(Algorithm::Sha256, b"a").value;
        let composite = of_parts(Algorithm::Sha256, Kind::Composite, &[(&part, 1)]).unwrap();
        let digest = Algorithm::Sha256.decode(&part).unwrap();
        let expected = format!("{}-1", of(Algorithm::Sha256, &digest).value);
        assert_eq!(composite.value, expected);
    }

    #[test]
    fn garbage_is_refused() {
        let parts = [("not base64!", 1)];
        assert!(of_parts(Algorithm::Crc32, Kind::Whole, &parts).is_err());
        assert!(Algorithm::Crc32.decode("AAAA").is_err());
    }
}
