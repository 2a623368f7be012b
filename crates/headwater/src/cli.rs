//! What can be typed. Only text is taken here: `config` and the verbs give it meaning.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::verbs::agent::AgentVerb;
use crate::verbs::group::GroupVerb;
use crate::verbs::queue::QueueVerb;
use crate::verbs::stream::StreamVerb;
use crate::verbs::topic::TopicVerb;

const EXAMPLES: &str = "\
Examples:
  headwater                                  serve on 127.0.0.1:4566, data in ./headwater-data
  headwater serve --data /var/lib/headwater --limits aws
  headwater stream create orders --shards 4
  echo hello | headwater stream put orders
  headwater stream tail orders --from start
  headwater queue create jobs && headwater queue send jobs hello && headwater queue receive jobs
  headwater topic consume orders --group billing && headwater group describe billing
  aws --endpoint-url http://127.0.0.1:4566 kinesis list-streams";

const SERVE_EXAMPLES: &str = "\
Every flag can also be a variable (--tls-cert is HEADWATER_TLS_CERT) or a line of the file given by --config
(tls_cert = \"...\"). A flag beats a variable, a variable beats the file. `headwater config` prints what is in force.

Examples:
  headwater serve --listen 127.0.0.1:0       any free port; see endpoints.json in the data directory
  headwater serve --store memory             keep nothing after the end
  headwater serve --listen 0.0.0.0:4566 --auth on --config /etc/headwater.toml";

/// Streams, queues and delivery that AWS clients use unchanged, as one program on your own machines.
#[derive(Debug, Parser)]
#[command(
    name = "headwater",
    version,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    max_term_width = 110
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) serve: ServerFlags,
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Start the server; what `headwater` alone does.
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ServerFlags),
    /// Print the configuration in force and where each setting came from.
    Config(ServerFlags),
    /// Work with streams of a running server.
    Stream(StreamVerb),
    /// Work with queues of a running server.
    Queue(QueueVerb),
    Agent(AgentVerb),
    /// Work with Kafka topics of a running server.
    Topic(TopicVerb),
    /// Work with Kafka groups of a running server.
    Group(GroupVerb),
    /// Print a completion script for your shell.
    Completions {
        /// Which shell: `source <(headwater completions bash)`.
        shell: Shell,
    },
}

/// The server's settings as typed.
#[derive(Debug, Default, Args)]
pub(crate) struct ServerFlags {
    /// Keep everything in this directory [default: ./headwater-data].
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Answer AWS clients here; port 0 takes any free one [default: 127.0.0.1:4566].
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Answer Kafka clients here: an address, or several such as SSL://0.0.0.0:9093,SASL_SSL://0.0.0.0:9094; port 0 takes
    /// any free one, `off` none [default: 127.0.0.1:9092].
    #[arg(long, value_name = "LISTENERS|off")]
    kafka_listen: Option<String>,
    /// What Kafka clients are told to connect to, where that is not the address they came to; PROTOCOL://HOST:PORT,... for
    /// several listeners.
    #[arg(long, value_name = "HOST:PORT")]
    kafka_advertise: Option<String>,
    /// Whether Kafka clients show certificates over TLS [default: none].
    #[arg(long, value_name = "none|requested|required")]
    kafka_client_auth: Option<String>,
    /// The authorities that sign Kafka clients' certificates, in PEM.
    #[arg(long, value_name = "FILE")]
    kafka_client_ca: Option<String>,
    /// What the subjects of Kafka clients' certificates are made into, as ssl.principal.mapping.rules [default: DEFAULT].
    #[arg(long, value_name = "RULES")]
    kafka_principal_rules: Option<String>,
    /// How Kafka clients may log in: some of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER, AWS_MSK_IAM [default: all
    /// that can be].
    #[arg(long, value_name = "LIST")]
    kafka_sasl_mechanisms: Option<String>,
    /// The public keys that sign Kafka clients' tokens, as a JSON Web Key Set: a file, or an http or https URL.
    #[arg(long, value_name = "FILE|URL")]
    kafka_oauth_jwks: Option<String>,
    /// Who may have signed the certificate of that URL's server, in PEM [default: whom this machine trusts].
    #[arg(long, value_name = "FILE")]
    kafka_oauth_jwks_ca: Option<String>,
    /// How often those keys are read anew [default: 3600000].
    #[arg(long, value_name = "MS")]
    kafka_oauth_jwks_refresh_ms: Option<String>,
    /// What the `iss` of Kafka clients' tokens must be.
    #[arg(long, value_name = "TEXT")]
    kafka_oauth_issuer: Option<String>,
    /// What the `aud` of Kafka clients' tokens must be or hold.
    #[arg(long, value_name = "TEXT")]
    kafka_oauth_audience: Option<String>,
    /// What the `scope` of Kafka clients' tokens must hold.
    #[arg(long, value_name = "WORDS")]
    kafka_oauth_scope: Option<String>,
    /// Which claim of Kafka clients' tokens is their name [default: sub].
    #[arg(long, value_name = "NAME")]
    kafka_oauth_principal_claim: Option<String>,
    /// Take tokens that nobody has signed; for development alone [default: off].
    #[arg(long, value_name = "on|off")]
    kafka_oauth_unsecured: Option<String>,
    /// Longest session before a Kafka client must log in again; 0 for no limit [default: 0].
    #[arg(long, value_name = "MS")]
    kafka_max_reauth_ms: Option<String>,
    /// Whether ACLs decide what Kafka clients may do [default: on where a listener asks who they are].
    #[arg(long, value_name = "on|off")]
    kafka_acls: Option<String>,
    /// Who may do everything on the Kafka broker, such as User:admin;User:ops.
    #[arg(long, value_name = "PRINCIPALS")]
    kafka_super_users: Option<String>,
    /// Allow what no ACL is about [default: off].
    #[arg(long, value_name = "on|off")]
    kafka_allow_everyone_if_no_acl_found: Option<String>,
    /// Kafka connections at one time [default: 10000].
    #[arg(long, value_name = "COUNT")]
    kafka_max_connections: Option<String>,
    /// Kafka connections at one time from one address [default: any].
    #[arg(long, value_name = "COUNT")]
    kafka_max_connections_per_ip: Option<String>,
    /// Verify signatures against the keys of the configuration file; needed to serve other machines [default: off].
    #[arg(long, value_name = "on|off")]
    auth: Option<String>,
    /// Serve other machines although --auth is off.
    #[arg(long, value_name = "on|off", num_args = 0..=1, require_equals = true, default_missing_value = "on")]
    insecure: Option<String>,
    /// Enforce AWS's published throughput and call limits, or none [default: none].
    #[arg(long, value_name = "aws|none")]
    limits: Option<String>,
    /// Acknowledge writes once on the disk, or once the operating system has them [default: sync].
    #[arg(long, value_name = "sync|os")]
    durability: Option<String>,
    /// What keeps the data; memory and discard are for tests and measurements [default: embedded].
    #[arg(long, value_name = "embedded|memory|discard")]
    store: Option<String>,
    /// Memory for recent records [default: 80MiB].
    #[arg(long, value_name = "SIZE")]
    cache: Option<String>,
    /// Who may read /metrics with --auth on: this machine, or whoever reaches the port [default: loopback].
    #[arg(long, value_name = "loopback|all")]
    metrics: Option<String>,
    /// The certificate shown to TLS clients, in PEM; without one, one is made.
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<String>,
    /// The certificate's private key, in PEM.
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
    /// What to log: error, warn, info, debug, trace, or directives such as info,aws=debug [default: info].
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,
    /// Read settings from this TOML file; so does the variable HEADWATER_CONFIG.
    // Without clap's `env`: a variable would count as a flag typed before the verb, which is refused.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

impl ServerFlags {
    /// The flags given, under their settings' names.
    pub(crate) fn given(&self) -> impl Iterator<Item = (&'static str, String)> {
        let all = [
            ("data", &self.data),
            ("listen", &self.listen),
            ("kafka_listen", &self.kafka_listen),
            ("kafka_advertise", &self.kafka_advertise),
            ("kafka_client_auth", &self.kafka_client_auth),
            ("kafka_client_ca", &self.kafka_client_ca),
            ("kafka_principal_rules", &self.kafka_principal_rules),
            ("kafka_sasl_mechanisms", &self.kafka_sasl_mechanisms),
            ("kafka_oauth_jwks", &self.kafka_oauth_jwks),
            ("kafka_oauth_jwks_ca", &self.kafka_oauth_jwks_ca),
            (
                "kafka_oauth_jwks_refresh_ms",
                &self.kafka_oauth_jwks_refresh_ms,
            ),
            ("kafka_oauth_issuer", &self.kafka_oauth_issuer),
            ("kafka_oauth_audience", &self.kafka_oauth_audience),
            ("kafka_oauth_scope", &self.kafka_oauth_scope),
            (
                "kafka_oauth_principal_claim",
                &self.kafka_oauth_principal_claim,
            ),
            ("kafka_oauth_unsecured", &self.kafka_oauth_unsecured),
            ("kafka_max_reauth_ms", &self.kafka_max_reauth_ms),
            ("kafka_acls", &self.kafka_acls),
            ("kafka_super_users", &self.kafka_super_users),
            (
                "kafka_allow_everyone_if_no_acl_found",
                &self.kafka_allow_everyone_if_no_acl_found,
            ),
            ("kafka_max_connections", &self.kafka_max_connections),
            (
                "kafka_max_connections_per_ip",
                &self.kafka_max_connections_per_ip,
            ),
            ("auth", &self.auth),
            ("insecure", &self.insecure),
            ("limits", &self.limits),
            ("durability", &self.durability),
            ("store", &self.store),
            ("cache", &self.cache),
            ("metrics", &self.metrics),
            ("tls_cert", &self.tls_cert),
            ("tls_key", &self.tls_key),
            ("log", &self.log),
        ];
        all.into_iter()
            .filter_map(|(key, text)| text.clone().map(|text| (key, text)))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_setting_but_the_keys_has_a_flag() {
        let command = Cli::command();
        let in_the_file_alone = ["keys", "kafka_users"];
        for key in crate::config::keys_known().filter(|key| !in_the_file_alone.contains(key)) {
            let long = key.replace('_', "-");
            let known = command
                .get_arguments()
                .any(|argument| argument.get_long() == Some(long.as_str()));
            assert!(known, "--{long}");
        }
    }
}
