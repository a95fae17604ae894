//! A user's program as the scorer: networks go to files, scores come back as JSON.

use std::path::Path;

use super::polish::CommandPolisher;
use super::program::Program;
use super::rows::{Matrix, Rows};
use super::score::{Score, Scorer};
use crate::error::{Error, Result};

/// Characters of a program's output that an error shows.
const SHOWN: usize = 80;

/// Writes a network's weights [parameters] to a file that the user's program can load.
pub type WriteNetwork<'a> = dyn Fn(&[f32], &Path) -> Result<()> + 'a;

/// Runs `./score {file}` once per network, or `./score {files}` once per 64 networks.
///
/// The program prints one JSON object per network, in order (see [`Score`]). The command line is
/// split into words as a shell does; no shell runs.
pub struct CommandScorer<'a> {
    program: Program,
    write: &'a WriteNetwork<'a>,
    /// What networks go through before they are judged.
    pub polisher: Option<CommandPolisher<'a>>,
}

impl<'a> CommandScorer<'a> {
    /// Fails on unbalanced quotes, and on a command without the word `{files}` or some `{file}`.
    pub fn new(command: &str, write: &'a WriteNetwork<'a>) -> Result<CommandScorer<'a>> {
        let program = Program::new("scoring", command)?;
        Ok(CommandScorer {
            program,
            write,
            polisher: None,
        })
    }

    /// The scores of `count` networks in a program's output.
    fn parse(&self, printed: &str, count: usize) -> Result<Vec<Score>> {
        let program = self.program.name();
        let mut stream = serde_json::Deserializer::from_str(printed).into_iter::<Score>();
        let (mut scores, mut start) = (Vec::with_capacity(count), 0);
        while let Some(score) = stream.next() {
            scores.push(score.map_err(|error| {
                let text: String = printed[start..].trim().chars().take(SHOWN).collect();
                Error::Callback(if error.is_data() {
                    format!("{program}: {error}; print {{\"score\": number}}, not: {text}")
                } else if text.contains("NaN") || text.contains("Infinity") {
                    format!("{program}: scores must be finite numbers, not: {text}")
                } else {
                    format!(
                        "{program} did not print JSON; print {{\"score\": number}}, not: {text}"
                    )
                })
            })?);
            start = stream.byte_offset();
        }
        if scores.len() != count {
            return Err(Error::Callback(format!(
                "{program} printed {} scores for {count} networks; print one JSON object per network",
                scores.len()
            )));
        }
        Ok(scores)
    }
}

impl Scorer for CommandScorer<'_> {
    fn score(
        &mut self,
        networks: &dyn Rows,
        each: &mut dyn FnMut(Score) -> Result<()>,
    ) -> Result<()> {
        // Removed when it goes out of scope, so also on errors.
        let folder = tempfile::Builder::new()
            .prefix("pdiff-score-")
            .tempdir()
            .map_err(Error::io(&std::env::temp_dir()))?;
        let mut network = vec![0.0; networks.width()];
        let chunk = self.program.networks(networks.width());
        for start in (0..networks.len()).step_by(chunk) {
            let mut files = Vec::with_capacity(chunk);
            for row in start..(start + chunk).min(networks.len()) {
                networks.read(row, &mut network)?;
                let file = folder.path().join(format!("{row:06}.safetensors"));
                (self.write)(&network, &file)?;
                files.push(file);
            }
            let printed = self.program.run(&files)?;
            for score in self.parse(&printed, files.len())? {
                each(score)?;
            }
            for file in &files {
                std::fs::remove_file(file).map_err(Error::io(file))?;
            }
        }
        Ok(())
    }

    fn identity(&self) -> Option<String> {
        Some(self.program.command())
    }

    fn polishes(&self) -> bool {
        self.polisher.is_some()
    }

    fn polish(&mut self, networks: &dyn Rows) -> Result<Option<Matrix>> {
        let polish = |polisher: &CommandPolisher| polisher.polish(networks);
        self.polisher.as_ref().map(polish).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::rows::Matrix;
    use crate::evaluate::score::Tally;

    fn write(network: &[f32], path: &Path) -> Result<()> {
        std::fs::write(path, format!("{}", network[0])).map_err(Error::io(path))
    }

    fn score(command: &str, n: usize) -> Result<Vec<f64>> {
        let networks = Matrix::new(1, (0..n).map(|i| i as f32).collect())?;
        let mut scorer = CommandScorer::new(command, &write)?;
        Ok(Tally::default()
            .collect("network", &mut scorer, &networks, &mut |_| Ok(()))?
            .scores)
    }

    fn message(command: &str) -> String {
        score(command, 2).unwrap_err().to_string()
    }

    #[test]
    fn one_file_or_many_per_call_give_the_same_scores() {
        let expected: Vec<f64> = (0..130).map(f64::from).collect();
        let one = "sh -c 'echo \"{\\\"score\\\": $(cat $0)}\"' {file}";
        assert_eq!(score(one, 3).unwrap(), expected[..3]);
        let many = "sh -c 'for f; do echo \"{\\\"score\\\": $(cat $f)}\"; done' score {files}";
        assert_eq!(score(many, 130).unwrap(), expected);
    }

    #[test]
    fn files_are_gone_after_success_and_after_failure() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list");
        let list = list.to_string_lossy();
        score(
            &format!("sh -c 'echo $0 >> {list}; echo \"{{\\\"score\\\": 1}}\"' {{file}}"),
            2,
        )
        .unwrap();
        score(&format!("sh -c 'echo $0 >> {list}; exit 1' {{file}}"), 1).unwrap_err();
        let paths = std::fs::read_to_string(&*list).unwrap();
        assert_eq!(paths.lines().count(), 3);
        for path in paths.lines().map(Path::new) {
            assert!(
                !path.exists() && !path.parent().unwrap().exists(),
                "{path:?}"
            );
        }
    }

    #[test]
    fn each_way_to_get_it_wrong_is_told_in_one_line() {
        assert!(message("").contains("names no network"));
        assert!(message("./score").ends_with("as in: ./score {file}"));
        assert!(message("sh 'x {file}").contains("unbalanced quotes"));
        assert!(message("./no-such-program {file}").contains("command not found"));
        assert!(message("/etc/passwd {file}").contains("not executable"));
        let failed = message("sh -c 'echo first >&2; echo the reason >&2; exit 3' {file}");
        assert!(
            failed.contains("exit status: 3") && failed.ends_with(": the reason"),
            "{failed}"
        );
        let long = message("sh -c 'printf \"accuracy %0100d\" 1' {file}");
        assert!(long.contains("did not print JSON"), "{long}");
        assert!(
            long.ends_with(&format!("not: accuracy {}", "0".repeat(71))),
            "{long}"
        );
        assert!(message("sh -c 'echo \"{\\\"score\\\": NaN}\"' {file}").contains("finite numbers"));
        assert!(
            message("sh -c 'echo \"{\\\"accuracy\\\": 1}\"' {file}")
                .contains("missing field `score`")
        );
        assert!(message("true {file}").contains("printed 0 scores for 1 networks"));
        assert!(message("true {files}").contains("printed 0 scores for 2 networks"));
        let mixed = "sh -c 'echo \"{\\\"score\\\":1,\\\"labels\\\":[1],\\\"predictions\\\":[1$(cat $0 | sed s/0// | sed s/1/,1/)]}\"' {file}";
        assert!(
            message(mixed).contains("2 predictions for 1 labels"),
            "{}",
            message(mixed)
        );
    }
}
