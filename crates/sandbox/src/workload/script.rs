//! The statements of one client as text, for whoever wants to run them elsewhere.

use std::path::PathBuf;
use std::sync::Arc;

use super::Kinds;
use super::generator::{Generator, Step, Surroundings};
use super::grammar::Grammar;
use super::model::Model;

/// One client's statements, one after the other. Whoever takes them says how each ended, as the next ones depend on it.
pub struct Script {
    generator: Generator,
    model: Arc<Model>,
    opening: Vec<Step>,
    waiting: Vec<super::generator::Work>,
}

/// One statement.
#[derive(Clone, Debug)]
pub struct ScriptStatement {
    /// The bytes, in the session's character set.
    pub sql: Vec<u8>,
    /// What the file named by a `LOAD DATA LOCAL` holds.
    pub file: Option<Vec<u8>>,
    then: Option<super::model::Change>,
}

impl Script {
    /// A client's script. `file` is what its `LOAD DATA` statements name.
    pub fn new(seed: u64, kinds: Kinds, file: PathBuf) -> Script {
        let model = Arc::new(Model::new());
        let surroundings = Surroundings {
            model: model.clone(),
            kinds,
            grammar: Grammar::default(),
            file,
        };
        let mut generator = Generator::new(seed, 0, surroundings);
        let mut opening = generator.opening();
        opening.reverse();
        Script {
            generator,
            model,
            opening,
            waiting: Vec::new(),
        }
    }

    /// What is sent on the new connection, before the script begins.
    pub fn greeting(&self) -> String {
        self.generator.session.greeting()
    }

    /// The next statement. Statements that end what another has left open come whether or not it is.
    pub fn next_statement(&mut self) -> ScriptStatement {
        loop {
            if let Some(work) = self.waiting.pop() {
                return ScriptStatement {
                    sql: work.sql,
                    file: work.file,
                    then: work.then,
                };
            }
            let step = self.opening.pop().unwrap_or_else(|| self.generator.next_step());
            self.waiting = step.work;
            self.waiting.extend(step.cleanup.into_iter().map(Into::into));
            self.waiting.reverse();
        }
    }

    /// The statement has been executed.
    pub fn succeeded(&mut self, statement: &ScriptStatement) {
        if let Some(change) = &statement.then {
            self.model.apply(change);
        }
    }
}
