//! Where AWS's own tools look for the region, the endpoint and who signs: variables first, then the files in `~/.aws`.
//!
//! | what | variables | files |
//! |---|---|---|
//! | profile | `AWS_PROFILE` | – |
//! | region | `AWS_REGION`, `AWS_DEFAULT_REGION` | `region` |
//! | endpoint | `AWS_ENDPOINT_URL_<SERVICE>`, `AWS_ENDPOINT_URL` | `endpoint_url` |
//! | who signs | `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` | `aws_access_key_id` and so on |
//! | trust | `AWS_CA_BUNDLE` | `ca_bundle` |
//!
//! The files are `AWS_SHARED_CREDENTIALS_FILE` and `AWS_CONFIG_FILE`, or `credentials` and `config` in `~/.aws`. Roles, single
//! sign-on, credential processes and the metadata of machines are not looked up: `aws configure export-credentials` turns
//! those into variables.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use aws::sigv4::Credentials;
use model::Region;

use crate::call::Options;
use crate::error::ClientError;

/// How often a call is tried where nothing else is said.
const ATTEMPTS: u32 = 5;
/// Largest file read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What was found.
#[derive(Debug)]
pub struct Environment {
    variables: HashMap<String, String>,
    /// What the profile says, of both files.
    profile: HashMap<String, String>,
}

impl Environment {
    /// What this process was given.
    #[must_use]
    pub fn of_process() -> Environment {
        let is_ours = |(name, _): &(String, String)| name.starts_with("AWS_") || name == "HOME";
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(is_ours);
        Environment::of(variables.collect())
    }

    fn of(variables: HashMap<String, String>) -> Environment {
        let home = variables.get("HOME").map(Path::new);
        let file = |variable: &str, name: &str| {
            let named = variables.get(variable).map(PathBuf::from);
            named.or_else(|| home.map(|home| home.join(".aws").join(name)))
        };
        let name = variables.get("AWS_PROFILE").map_or("default", |name| name);
        let mut profile = HashMap::new();
        // Credentials win over what the other file says of them.
        let files = [
            file("AWS_CONFIG_FILE", "config"),
            file("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        ];
        for path in files.into_iter().flatten() {
            let is_small = path
                .metadata()
                .is_ok_and(|file| file.len() <= FILE_BYTES_MAX);
            if is_small && let Ok(text) = std::fs::read_to_string(path) {
                read_profile(&text, name, &mut profile);
            }
        }
        Environment { variables, profile }
    }

    /// How to reach a service, by its name in endpoints: `kinesis`, `firehose`, `monitoring`.
    ///
    /// # Errors
    /// [`ClientError::Setup`] naming what is missing.
    pub fn options(&self, service: &str) -> Result<Options, ClientError> {
        let region = self.first(&["AWS_REGION", "AWS_DEFAULT_REGION"], "region");
        let endpoint = self.endpoint(service);
        let region = match (region, &endpoint) {
            (Some(name), _) => Region::parse(name)
                .ok_or_else(|| ClientError::Setup(format!("{name:?} is no region")))?,
            // A server of one's own does not ask.
            (None, Some(_)) => Region::unnamed(),
            (None, None) => {
                return Err(ClientError::Setup(
                    "set AWS_REGION, or AWS_ENDPOINT_URL for another server than AWS".to_owned(),
                ));
            }
        };
        let endpoint = endpoint.map_or_else(|| endpoint_of(service, &region), str::to_owned);
        Ok(Options {
            endpoint,
            region,
            credentials: self.credentials()?,
            authorities: self
                .first(&["AWS_CA_BUNDLE"], "ca_bundle")
                .map(PathBuf::from),
            attempts: ATTEMPTS,
        })
    }

    /// The endpoint somebody set for a service, if it is not AWS's own.
    #[must_use]
    pub fn endpoint(&self, service: &str) -> Option<&str> {
        let id = id_of(service).to_ascii_uppercase();
        let own = format!("AWS_ENDPOINT_URL_{id}");
        self.first(&[&own, "AWS_ENDPOINT_URL"], "endpoint_url")
    }

    fn credentials(&self) -> Result<Credentials, ClientError> {
        let access = self.variable("AWS_ACCESS_KEY_ID");
        let secret = self.variable("AWS_SECRET_ACCESS_KEY");
        if let (Some(access), Some(secret)) = (access, secret) {
            return Ok(Credentials {
                access_key: access.to_owned(),
                secret_key: secret.to_owned(),
                session_token: self.variable("AWS_SESSION_TOKEN").map(str::to_owned),
            });
        }
        let kept = |name: &str| self.profile.get(name).cloned();
        let found = kept("aws_access_key_id").zip(kept("aws_secret_access_key"));
        let Some((access_key, secret_key)) = found else {
            return Err(ClientError::Setup(
                "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE to a profile that has them"
                    .to_owned(),
            ));
        };
        Ok(Credentials {
            access_key,
            secret_key,
            session_token: kept("aws_session_token"),
        })
    }

    fn first(&self, variables: &[&str], in_profile: &str) -> Option<&str> {
        let found = variables.iter().find_map(|name| self.variable(name));
        found.or_else(|| self.profile.get(in_profile).map(String::as_str))
    }

    fn variable(&self, name: &str) -> Option<&str> {
        let found = self.variables.get(name).map(String::as_str);
        found.filter(|text| !text.is_empty())
    }
}

/// What AWS calls a service in variables, where its endpoints have another name.
fn id_of(service: &str) -> &str {
    match service {
        "monitoring" => "cloudwatch",
        other => other,
    }
}

/// AWS's own endpoint of a service in a region.
fn endpoint_of(service: &str, region: &Region) -> String {
    let region = region.as_str();
    let domain = if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    format!("https://{service}.{region}.{domain}")
}

/// What a file says of a profile. Its section is `[name]`, or `[profile name]` in the configuration.
fn read_profile(text: &str, name: &str, profile: &mut HashMap<String, String>) {
    let mut is_it = false;
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some(section) = trimmed.strip_prefix('[') {
            let section = section.split(']').next().unwrap_or_default().trim();
            let bare = section.strip_prefix("profile ").unwrap_or(section);
            is_it = bare.trim() == name;
        } else if is_it
            && !line.starts_with([' ', '\t', '#', ';'])
            && let Some((setting, value)) = trimmed.split_once('=')
        {
            let setting = setting.trim().to_ascii_lowercase();
            profile.insert(setting, value.trim().to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)], profile: &[(&str, &str)]) -> Environment {
        let owned = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            pairs
                .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
                .collect()
        };
        Environment {
            variables: owned(variables),
            profile: owned(profile),
        }
    }

    const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "S")];

    #[test]
    fn aws_is_where_its_region_says() {
        let check = |region: &str, expected: &str| {
            let variables = [KEYS[0], KEYS[1], ("AWS_REGION", region)];
            let options = environment(&variables, &[]).options("kinesis").unwrap();
            assert_eq!(options.endpoint, expected);
            assert_eq!(options.region.as_str(), region);
        };
        check("eu-west-1", "https://kinesis.eu-west-1.amazonaws.com");
        check("cn-north-1", "https://kinesis.cn-north-1.amazonaws.com.cn");
    }

    #[test]
    fn variables_win_over_files_and_a_services_own_over_all() {
        let files = [
            ("region", "us-west-2"),
            ("endpoint_url", "http://file:1"),
            ("aws_access_key_id", "F"),
            ("aws_secret_access_key", "FS"),
            ("aws_session_token", "FT"),
        ];
        let options = environment(&[], &files).options("kinesis").unwrap();
        assert_eq!(options.endpoint, "http://file:1");
        assert_eq!(options.credentials.access_key, "F");
        assert_eq!(options.credentials.session_token.as_deref(), Some("FT"));
        let variables = [
            KEYS[0],
            KEYS[1],
            ("AWS_ENDPOINT_URL", "http://all:1"),
            ("AWS_ENDPOINT_URL_KINESIS", "http://own:1"),
            ("AWS_ENDPOINT_URL_CLOUDWATCH", "http://metrics:1"),
        ];
        let environment = environment(&variables, &files);
        let options = environment.options("kinesis").unwrap();
        assert_eq!(options.endpoint, "http://own:1");
        assert_eq!(options.credentials.access_key, "A");
        assert_eq!(options.credentials.session_token, None);
        assert_eq!(
            environment.options("firehose").unwrap().endpoint,
            "http://all:1"
        );
        assert_eq!(
            environment.options("monitoring").unwrap().endpoint,
            "http://metrics:1"
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let check = |variables: &[(&str, &str)], expected: &str| {
            let error = environment(variables, &[]).options("kinesis").unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        };
        check(&[], "AWS_REGION");
        check(&[("AWS_REGION", "us-east-1")], "AWS_ACCESS_KEY_ID");
        check(&[("AWS_REGION", "no region!")], "no region!");
    }

    #[test]
    fn a_profile_is_read_out_of_its_section() {
        let text = "[other]\nregion = no\n[profile mine]\n# a comment\nregion = eu-north-1\ns3 =\n  region = nested\n[default]\nregion=no";
        let mut profile = HashMap::new();
        read_profile(text, "mine", &mut profile);
        assert_eq!(profile["region"], "eu-north-1");
        let mut profile = HashMap::new();
        read_profile("[ mine ]\nAws_Access_Key_Id=A=B", "mine", &mut profile);
        assert_eq!(profile["aws_access_key_id"], "A=B");
    }
}
