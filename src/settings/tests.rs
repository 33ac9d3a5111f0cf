//! What settings the sources produce, and how mistakes are reported.

use std::{fs, path::PathBuf, time::Duration};

use super::{Flags, Settings, SettingsError, Sources, layers};
use crate::telemetry::LogFormat;

/// Creates a folder with these files, and sources that use it as working directory.
fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, Sources) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("config")).unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let sources = Sources { working_dir: folder.path().to_owned(), ..Sources::default() };
    (folder, sources)
}

pub(super) fn load(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let set = |sources: Sources, (name, value): &(&str, &str)| sources.with(name, value);
    Settings::load(&variables.iter().fold(Sources::default(), set))
}

/// Returns the faults of these variables, one line each.
pub(super) fn faults(variables: &[(&str, &str)]) -> Vec<String> {
    lines(&load(variables).unwrap_err())
}

fn lines(error: &SettingsError) -> Vec<String> {
    error.faults.iter().map(ToString::to_string).collect()
}

/// Returns every key of `base.toml` with its value as written there, and the line above it.
fn written() -> Vec<(String, &'static str, &'static str)> {
    let (mut section, mut above, mut keys) = ("", "", Vec::new());
    for line in layers::BASE.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if let Some((key, value)) = line.split_once(" = ").filter(|_| !line.starts_with('#'))
        {
            keys.push((format!("{section}.{key}"), value, above));
        }
        above = line;
    }
    keys
}

#[test]
fn every_key_is_explained_above_it() {
    let keys = written();
    assert_eq!(keys.len(), layers::defaults().len());
    for (key, _, above) in keys {
        assert!(layers::defaults().contains_key(&key), "{key}");
        assert!(above.starts_with("# ") && above.ends_with('.'), "{key} is below {above:?}");
    }
}

#[test]
fn the_demo_is_for_this_machine_unless_a_source_says_otherwise() {
    let demo = Sources { demo: true, ..Sources::default() };
    let host = |sources: &Sources| Settings::load(sources).unwrap().server.host;
    assert_eq!(host(&demo), "127.0.0.1");
    assert_eq!(host(&demo.with("COSCRIBE__SERVER__HOST", "0.0.0.0")), "0.0.0.0");
}

#[test]
fn without_sources_the_settings_are_those_of_base_toml() {
    let mut repeated = Sources::default();
    // A section that has any name exists only if a source gives it one.
    let fixed: Vec<_> = written().into_iter().filter(|(key, ..)| !key.contains("NAME")).collect();
    let count = fixed.len();
    for (key, value, _) in fixed {
        let name = format!("COSCRIBE__{}", key.replace('.', "__").to_uppercase());
        repeated = repeated.with(&name, value.trim_matches(['"', '[', ']']));
    }
    assert_eq!(repeated.environment.len(), count);

    let default = Settings::load(&Sources::default()).unwrap();

    assert_eq!(format!("{default:?}"), format!("{:?}", Settings::load(&repeated).unwrap()));
    assert_eq!((default.server.host.as_str(), default.server.port), ("0.0.0.0", 4000));
    assert_eq!(default.server.data_dir, PathBuf::from("./data"));
    assert_eq!(default.session.silence_allowed, Duration::from_secs(90));
    assert_eq!(default.limits.message, 64 << 20);
    assert_eq!(default.limits.document, 10 << 20);
    // Every text that may be stored can be sent as JSON, in one frame.
    assert_eq!(default.limits.frame, default.limits.message);
    assert!(default.limits.message > 6 * default.limits.document + (1 << 20));
    assert_eq!(default.outbox.bound, 1 << 20);
    assert_eq!(default.auth.token_life, Duration::from_secs(3600));
    assert!(default.auth.secret.is_none() && default.auth.issuer.is_none());
    assert!(default.auth.issuers.is_empty());
    assert!(default.store.url.is_empty() && default.server.allowed_origins.is_empty());
    assert_eq!(default.telemetry.format, LogFormat::Text);
}

#[test]
fn the_files_in_config_can_be_loaded() {
    let working_dir = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    for (name, filter, format) in [
        ("local", "info,coscribe=debug", LogFormat::Text),
        ("production", "info,actix_http=off", LogFormat::Json),
    ] {
        let sources = Sources { working_dir: working_dir.clone(), ..Sources::default() };
        let settings = Settings::load(&sources.with("COSCRIBE_ENV", name)).unwrap();
        assert_eq!(settings.telemetry.filter, filter);
        assert_eq!(settings.telemetry.format, format);
    }
}

#[test]
fn the_environments_of_the_binary_need_no_file_and_a_file_overrides_them() {
    let (folder, sources) = folder(&[]);
    let sources = sources.with("COSCRIBE_ENV", "production");
    assert_eq!(Settings::load(&sources).unwrap().telemetry.format, LogFormat::Json);

    fs::write(folder.path().join("config/production.toml"), "[server]\nport = 7").unwrap();
    let settings = Settings::load(&sources).unwrap();
    assert_eq!((settings.server.port, settings.telemetry.format), (7, LogFormat::Text));
}

#[test]
fn later_sources_override_earlier_ones() {
    let (_folder, mut sources) = folder(&[
        ("config/test.toml", "[server]\nport = 1\nhost = \"a\"\n[room]\nmailbox = 1"),
        ("more.toml", "[server]\nport = 2\nhost = \"b\"\n[room]\nedits_waiting = 2"),
    ]);
    let port = |sources: &Sources| Settings::load(sources).unwrap().server.port;

    assert_eq!(port(&sources), 4000);
    sources = sources.with("COSCRIBE_ENV", "test");
    assert_eq!(port(&sources), 1);
    sources.config_file = Some("more.toml".into());
    assert_eq!(port(&sources), 2);
    sources = sources.with("PORT", "3");
    assert_eq!(port(&sources), 3);
    sources = sources.with("COSCRIBE__SERVER__PORT", "4");
    assert_eq!(port(&sources), 4);
    sources.flags = Flags { port: Some(5), ..Flags::default() };
    assert_eq!(port(&sources), 5);

    let settings = Settings::load(&sources).unwrap();
    assert_eq!((settings.room.mailbox, settings.room.edits_waiting), (1, 2));
    assert_eq!(settings.server.host, "b");
}

#[test]
fn well_known_variables_and_flags_set_their_settings() {
    let secret = "0123456789abcdef0123456789abcdef";
    let mut sources = Sources::default()
        .with("DATABASE_URL", "sqlite:/var/lib/coscribe/x.db")
        .with("JWT_SECRET", secret)
        .with("RUST_LOG", "warn");
    sources.flags =
        Flags { data_dir: Some("/srv".into()), host: Some("::1".into()), ..Flags::default() };
    let settings = Settings::load(&sources).unwrap();

    assert_eq!(settings.store.url, "sqlite:/var/lib/coscribe/x.db");
    assert_eq!(settings.auth.secret.as_ref().unwrap().expose(), secret);
    assert_eq!(settings.telemetry.filter, "warn");
    assert_eq!(settings.server.data_dir, PathBuf::from("/srv"));
    assert_eq!(settings.server.host, "::1");
    assert!(!format!("{settings:?}").contains(secret));
}

#[test]
fn an_empty_variable_is_not_set() {
    let settings = load(&[
        ("PORT", ""),
        ("JWT_SECRET", ""),
        ("REDIS_URL", ""),
        ("COSCRIBE_ENV", ""),
        ("COSCRIBE__AUTH__ISSUER", ""),
    ])
    .unwrap();
    assert_eq!(settings.server.port, 4000);
    assert!(settings.auth.secret.is_none() && settings.auth.issuer.is_none());
}

#[test]
fn variables_of_other_programs_are_ignored() {
    // Kubernetes sets the last ones for a service of this name.
    assert!(
        load(&[("HOME", "/root"), ("SERVER__PORT", "x"), ("COSCRIBE_PORT", "tcp://10.0.0.1")])
            .is_ok()
    );
}

#[test]
fn a_list_in_a_variable_is_separated_by_commas() {
    let settings = load(&[(
        "COSCRIBE__SERVER__ALLOWED_ORIGINS",
        "https://app.example.org, http://localhost:5173",
    )])
    .unwrap();
    let expected = ["https://app.example.org", "http://localhost:5173"];
    assert_eq!(settings.server.allowed_origins, expected);
}

#[test]
fn all_faults_are_reported_at_once_with_name_and_source() {
    let (_folder, mut sources) = folder(&[(
        "more.toml",
        "port = 1\n[server]\nprot = 1\nport = \"four\"\n[sesion]\nmailbox = 1\n[room]\nmailbox = true",
    )]);
    sources.config_file = Some("more.toml".into());
    let sources = sources
        .with("COSCRIBE__SESSION__PING_EVERY", "soon")
        .with("COSCRIBE__AUTH__ENROL", "maybe")
        .with("COSCRIBE__LIMITS__FRAME", "-1")
        .with("COSCRIBE__OUTBOX__BOUND", "1024")
        .with("COSCRIBE__TELEMETRY__FORMAT", "xml")
        .with("COSCRIBE_ENV", "nowhere")
        .with("JWT_SECRET", "short")
        .with("REDIS_URL", "redis://localhost");

    let error = Settings::load(&sources).unwrap_err();

    let mut keys: Vec<_> = error.faults.iter().map(|fault| fault.key.as_str()).collect();
    keys.sort_unstable();
    let expected = [
        "COSCRIBE_ENV",
        "auth.enrol",
        "auth.secret",
        "limits.frame",
        "outbox.bound",
        "port",
        "redis.url",
        "room.mailbox",
        "server.port",
        "server.prot",
        "sesion.mailbox",
        "session.ping_every",
        "telemetry.format",
    ];
    assert_eq!(keys, expected);
    let text = error.to_string();
    assert_eq!(text.lines().count(), 1 + expected.len(), "{text}");
    for line in [
        "server.prot (more.toml): does not exist. The section server has these keys: allowed_headers, allowed_origins, answer_patience,",
        "sesion.mailbox (more.toml): does not exist. Use a key of one of the sections auth, auth.issuers.NAME, limits, outbox,",
        "server.port (more.toml): has an invalid value. Set it to a whole number, 0 or more.",
        "auth.enrol (COSCRIBE__AUTH__ENROL): has an invalid value. Set it to true or false.",
        "auth.secret (JWT_SECRET): has 5 bytes, which is too short.",
        "session.ping_every (COSCRIBE__SESSION__PING_EVERY): invalid value: string \"soon\", expected a duration. \
         Write it like the default, \"30s\".",
        "telemetry.format (COSCRIBE__TELEMETRY__FORMAT): \"xml\" is neither \"text\" nor \"json\". Write it like",
        "outbox.bound (COSCRIBE__OUTBOX__BOUND): 1024 is too small. Set it to at least 65536.",
    ] {
        assert!(text.contains(line), "{line:?} is missing in\n{text}");
    }
}

#[test]
fn values_of_the_wrong_type_are_refused() {
    for (name, value) in [
        ("PORT", "65536"),
        ("PORT", "4000.5"),
        ("PORT", "yes"),
        ("COSCRIBE__LIMITS__EDITS_PER_SECOND", "4294967296"),
        ("COSCRIBE__LIMITS__FRAME", "99999999999999999999"),
        ("COSCRIBE__ROOM__LINGER", "10"),
        ("COSCRIBE__ROOM__LINGER", "-10s"),
        ("COSCRIBE__AUTH__ENROL", "1"),
        ("COSCRIBE__TELEMETRY__FORMAT", "JSON"),
    ] {
        let faults = faults(&[(name, value)]);
        assert_eq!(faults.len(), 1, "{name}={value}: {faults:?}");
        assert!(
            faults[0].contains(&format!("({name}): ")) && faults[0].ends_with('.'),
            "{faults:?}"
        );
    }
}

#[test]
fn an_environment_names_a_file_in_config_only() {
    for name in ["../secrets", "a/b", "..", "production.toml"] {
        let faults = faults(&[("COSCRIBE_ENV", name)]);
        assert!(
            faults[0].starts_with("COSCRIBE_ENV: must be the name of a file in config/"),
            "{faults:?}"
        );
    }
}

#[test]
fn a_missing_or_malformed_file_is_a_fault() {
    let (_folder, mut sources) = folder(&[("more.toml", "[auth]\nsecret = \"hunter2\" oops")]);
    for (file, expected) in [
        ("more.toml", "--config: more.toml is not valid TOML: "),
        ("less.toml", "--config: less.toml cannot be read"),
    ] {
        sources.config_file = Some(file.into());
        let faults = lines(&Settings::load(&sources).unwrap_err());
        assert_eq!(faults.len(), 1);
        assert!(faults[0].starts_with(expected), "{faults:?}");
        assert!(!faults[0].contains("hunter2") && !faults[0].contains('\n'), "{faults:?}");
    }
}

#[test]
fn faults_contain_no_secrets() {
    let faults = faults(&[
        ("JWT_SECRET", "hunter2"),
        ("DATABASE_URL", "mysql://coscribe:hunter2@db/coscribe"),
    ]);
    assert_eq!(faults.len(), 2);
    assert!(faults.iter().all(|fault| !fault.contains("hunter2")), "{faults:?}");
    assert!(
        faults[1].starts_with("store.url (DATABASE_URL): names an unknown database."),
        "{faults:?}"
    );
}

#[test]
fn a_section_of_an_issuer_has_the_defaults_of_the_template() {
    let (_folder, mut sources) = folder(&[(
        "more.toml",
        "[auth.issuers.company]\nissuer = \"https://login.example.org\"\naudiences = [\"a\", \"b\"]\n\
         [auth.issuers.partner-2]\nissuer = \"https://partner.example.org\"\naudiences = [\"c\"]\nenrol = false",
    )]);
    sources.config_file = Some("more.toml".into());
    sources = sources.with("COSCRIBE__AUTH__ISSUERS__COMPANY__KEYS_EVERY", "1m");

    let auth = Settings::load(&sources).unwrap().auth;

    let [company, partner] = ["company", "partner-2"].map(|name| &auth.issuers[name]);
    assert_eq!(company.audiences, ["a", "b"]);
    assert_eq!(
        (company.keys_every, partner.keys_every),
        (Duration::from_secs(60), Duration::from_secs(600))
    );
    assert_eq!((company.enrol, partner.enrol), (true, false));
    assert_eq!(company.algorithms.len(), 3);
    assert_eq!((&*company.name_claim, company.keys.as_deref()), ("name", None));
    assert!(!auth.has_local_accounts() && !auth.is_registration_open());
}

#[test]
fn a_faulty_section_of_an_issuer_is_reported_setting_by_setting() {
    let faults = faults(&[
        ("COSCRIBE__AUTH__ISSUERS__COMPANY__ENROL", "perhaps"),
        ("COSCRIBE__AUTH__ISSUERS__COMPANY__KEY", "x"),
        ("COSCRIBE__AUTH__ISSUERS__COMPANY__ALGORITHMS", "HS256"),
        ("COSCRIBE__AUTH__ISSUERS__PARTNER__ISSUER", "http://login.example.org"),
        ("COSCRIBE__AUTH__ISSUERS__PARTNER__KEYS_STALE", "1m"),
    ]);
    let expect = |start: &str| {
        assert!(faults.iter().any(|fault| fault.starts_with(start)), "{start}: {faults:#?}");
    };
    expect(
        "auth.issuers.company.enrol (COSCRIBE__AUTH__ISSUERS__COMPANY__ENROL): has an invalid value.",
    );
    expect(
        "auth.issuers.company.key (COSCRIBE__AUTH__ISSUERS__COMPANY__KEY): does not exist. The section auth.issuers.company has these keys: algorithms, allow_http,",
    );
    expect(
        "auth.issuers.company.algorithms (COSCRIBE__AUTH__ISSUERS__COMPANY__ALGORITHMS): names \"HS256\", which is none of RS256, ES256 and EdDSA. Write it like the default, [\"RS256\", \"ES256\", \"EdDSA\"].",
    );
    expect("auth.issuers.company.issuer: is not set.");
    expect("auth.issuers.company.audiences: names no audience");
    expect(
        "auth.issuers.partner.keys: \"http://login.example.org/.well-known/openid-configuration\" begins with http://",
    );
    expect(
        "auth.issuers.partner.keys_stale (COSCRIBE__AUTH__ISSUERS__PARTNER__KEYS_STALE): 1m is too short.",
    );
}
