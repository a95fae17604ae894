//! What a command leaves on stdout and stderr, and its exit code.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use pdiff::{Error, Result};
use serde_json::{Value, json};

/// The exit code of every failure but wrong usage.
const FAILED: u8 = 1;
pub const MISUSED: u8 = 2;

/// A command's answer, for people and for programs.
pub struct Answer {
    /// Whole lines.
    pub text: String,
    pub json: Value,
}

/// Prints an answer, or an error as one line on stderr; with `as_json` stdout gets one JSON value
/// either way.
pub fn deliver(result: Result<Answer>, as_json: bool) -> ExitCode {
    let (printed, code) = match result {
        Ok(answer) if as_json => (format!("{:#}\n", answer.json), ExitCode::SUCCESS),
        Ok(answer) => (answer.text, ExitCode::SUCCESS),
        Err(error) => {
            let message = message(&error);
            say(&format!("pdiff: {message}"));
            let value = json!({"error": {"status": error.status(), "message": message}});
            let text = if as_json {
                format!("{value:#}\n")
            } else {
                String::new()
            };
            (text, ExitCode::from(FAILED))
        }
    };
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(printed.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Ok(()) => code,
        // A reader like `head` had enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => code,
        Err(error) => {
            say(&format!(
                "pdiff: stdout: {error}; free some space or send it elsewhere"
            ));
            ExitCode::from(FAILED)
        }
    }
}

/// The error in one line that ends with what to do: the library's own message, or where the
/// operating system or a damaged file gave only a reason, the step that usually helps.
fn message(error: &Error) -> String {
    let text = error.to_string().replace('\n', " ");
    let step = match error {
        Error::Io { source, .. } => match source.kind() {
            ErrorKind::NotFound => "check the path",
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                "check the permissions or name another place"
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space and run it again",
            ErrorKind::NotADirectory | ErrorKind::AlreadyExists => "name a folder",
            ErrorKind::IsADirectory => "name a file",
            _ => "check the path and its disk",
        },
        Error::Corrupt { .. } => "check that it is the file you mean, or make it again",
        _ => return text,
    };
    match text.contains("; ") {
        true => text,
        false => format!("{text}; {step}"),
    }
}

/// Tells of wrong usage in one line, which ends with the help that has it right.
pub fn misused(error: &clap::Error, command: &str) -> String {
    let text = error.render().to_string();
    let said: Vec<&str> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .filter(|line| !line.is_empty())
        .collect();
    let said = said.join(" ");
    let said = said.strip_prefix("error: ").unwrap_or(&said);
    format!("pdiff: {said}; see {command} --help")
}

/// A note on stderr that needs attention and ends nothing.
pub fn warn(text: &str) {
    say(&format!("pdiff: warning: {text}"));
}

/// A whole number with a comma every three digits.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count with its noun.
pub fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

/// A line on stderr. Nobody may be reading it, which is no reason to end.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Rows as aligned columns, two spaces apart, each row indented by two.
pub fn columns(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate();
        let line: String = cells
            .map(|(i, cell)| format!("  {cell:<w$}", w = width(i)))
            .collect();
        format!("{}\n", line.trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_three() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1234567, "1,234,567"),
        ];
        for (number, text) in cases {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(count(1, "network"), "1 network");
    }

    #[test]
    fn a_message_without_a_next_step_gets_one() {
        let path = std::path::PathBuf::from("a");
        let source = io::Error::from(ErrorKind::StorageFull);
        let full = message(&Error::Io {
            path: path.clone(),
            source,
        });
        assert!(full.starts_with("a: ") && full.ends_with("free some space and run it again"));
        let why = "no checksum; say so".to_owned();
        assert_eq!(
            message(&Error::Corrupt { path, why }),
            "a: no checksum; say so"
        );
    }
}
