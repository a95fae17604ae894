//! `pdiff completions` and `pdiff man`: what comes from the definition of the flags itself.

use std::fs;

use clap::CommandFactory;
use pdiff::{Error, Result};
use serde_json::json;

use crate::args::{Arguments, Completions, Man};
use crate::output::Answer;

pub fn completions(args: &Completions) -> Result<Answer> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "pdiff", &mut script);
    let text = String::from_utf8_lossy(&script).into_owned();
    Ok(Answer {
        json: json!({"shell": args.shell.to_string(), "script": text}),
        text,
    })
}

pub fn man(args: &Man) -> Result<Answer> {
    let command = Arguments::command();
    let Some(folder) = &args.folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .render(&mut page)
            .map_err(|error| Error::Internal(error.to_string()))?;
        let text = String::from_utf8_lossy(&page).into_owned();
        return Ok(Answer {
            json: json!({"page": text}),
            text,
        });
    };
    let io = |source| Error::Io {
        path: folder.clone(),
        source,
    };
    fs::create_dir_all(folder).map_err(io)?;
    clap_mangen::generate_to(command, folder).map_err(io)?;
    Ok(Answer {
        text: format!(
            "{}: the man pages; man -l {0}/pdiff.1 shows the first\n",
            folder.display()
        ),
        json: json!({"folder": folder}),
    })
}
