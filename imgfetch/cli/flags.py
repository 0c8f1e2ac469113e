"""The options of ``imgfetch`` itself, and those that ``run`` shares with other commands."""

from __future__ import annotations

from imgfetch.cli.option import Option, choice, flag, many, one

GLOBAL = (
    one("--store", value="DIR", text="Where images are kept.  [env: IMGFETCH_STORE]"),
    many(
        "--store-ro",
        value="DIR",
        text="Further stores that are only read; may be repeated.  "
        "[env: IMGFETCH_STORE_RO, with :]",
    ),
    flag(
        "--offline",
        text="Use only what is in the store.  [env: IMGFETCH_OFFLINE]",
        default=None,
    ),
    one("--config", value="FILE", text="Config file (TOML).  [env: IMGFETCH_CONFIG]"),
    choice(
        "--progress",
        "auto",
        "tty",
        "plain",
        "json",
        "none",
        text="How progress is shown, on stderr.",
    ),
    choice(
        "--log-format",
        "text",
        "json",
        text="How errors, warnings and progress are written.  [env: IMGFETCH_LOG_FORMAT]",
    ),
    flag("-q", "--quiet", text="Errors only.", default=None),
    Option("count", ("-v", "--verbose"), "More about errors; twice: tracebacks.", default=0),
)

REGISTRY = (
    one("--authfile", value="FILE", text="Credentials, as docker's config.json."),
    one("--creds", value="USER:PASS", text="Credentials for this command."),
    many(
        "--plain-http",
        value="HOST",
        text="Speak HTTP to this registry; loopback ones need no asking.",
    ),
    many(
        "--insecure-skip-verify",
        value="HOST",
        text="Accept any TLS certificate from this registry.",
    ),
    one("--ca", value="FILE", text="Certificates (PEM) to trust besides the system's."),
    Option("integer", ("--retries",), "Tries after the first.", value="N", most=100),
)

PLATFORM = one("--platform", value="OS/ARCH[/VARIANT]", text="Instead of this machine's platform.")

LOCKED = one(
    "--locked",
    value="FILE",
    text="Use the digests of this lock file, and nothing that is not in it.",
)

PULL = Option(
    "one",
    ("--pull",),
    "When to ask the registry.  [default: missing]",
    choices=("missing", "always", "newer", "never"),
    default="missing",
    field="policy",
)
