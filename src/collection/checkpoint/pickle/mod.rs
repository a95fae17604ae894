//! An interpreter for the pickles inside PyTorch checkpoints that builds plain values and calls
//! nothing: a global outside the allow list ends the reading.
//!
//! Values live in one arena and refer to each other by index, so neither shared nor nested nor
//! cyclic ones cost more than the opcodes that made them, and dropping them does not recurse.
//! Opcodes: Python's Lib/pickletools.py.

mod machine;

use std::path::Path;

use self::machine::{INERT, Machine};
use super::torch_globals::{Global, Storage, View};
use crate::error::Result;

/// An index into [`Pickle::values`].
pub(super) type Id = u32;

#[derive(Debug)]
pub(super) enum Value {
    /// What no tensor is made of: None, a truth value, a float, bytes, a device.
    Inert,
    Int(i64),
    Text(String),
    /// A tuple or a list.
    Sequence(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Storage),
    Tensor(View),
}

/// What a pickle described.
#[derive(Debug)]
pub(super) struct Pickle {
    values: Vec<Value>,
    pub root: Id,
}

impl Pickle {
    pub fn get(&self, id: Id) -> &Value {
        &self.values[id as usize]
    }
}

/// Reads a pickle. Fails with `Unsupported` when it names a global that would run code, and with
/// `Corrupt` when it is no pickle that PyTorch writes. `path` names the file in errors.
pub(super) fn load(bytes: &[u8], path: &Path) -> Result<Pickle> {
    let mut machine = Machine::new(bytes, path);
    while machine.step()? {}
    Ok(Pickle {
        root: machine.pop()?,
        values: machine.values,
    })
}

impl Machine<'_> {
    /// Runs one opcode; false after STOP.
    fn step(&mut self) -> Result<bool> {
        let [opcode] = self.array()?;
        match opcode {
            0x80 => drop(self.array::<1>()?), // PROTO
            0x95 => drop(self.array::<8>()?), // FRAME
            b'.' => return Ok(false),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            b'2' => self.stack.push(self.top()?), // DUP

            b'N' | 0x88 | 0x89 => self.stack.push(INERT), // NONE, NEWTRUE, NEWFALSE
            b'G' => self.inert::<8>()?,                   // BINFLOAT
            b'K' => {
                let [n] = self.array()?;
                self.push(Value::Int(n.into()))?;
            }
            b'M' => {
                let n = u16::from_le_bytes(self.array()?);
                self.push(Value::Int(n.into()))?;
            }
            b'J' => {
                let n = i32::from_le_bytes(self.array()?);
                self.push(Value::Int(n.into()))?;
            }
            0x8a => {
                let length = self.length::<1>()?;
                self.long(length)?;
            }
            0x8b => {
                let length = self.length::<4>()?;
                self.long(length)?;
            }
            // SHORT_BINUNICODE, BINUNICODE, BINUNICODE8; SHORT_BINSTRING and BINSTRING of Python 2
            0x8c | b'U' => self.text::<1>()?,
            b'X' | b'T' => self.text::<4>()?,
            0x8d => self.text::<8>()?,
            b'C' => self.bytes::<1>()?,
            b'B' => self.bytes::<4>()?,
            0x8e | 0x96 => self.bytes::<8>()?, // BINBYTES8, BYTEARRAY8

            b')' | b']' => self.push(Value::Sequence(Vec::new()))?,
            b'}' => self.push(Value::Dict(Vec::new()))?,
            0x8f => self.stack.push(INERT), // EMPTY_SET
            b't' | b'l' => {
                let items = self.pop_mark()?;
                self.push(Value::Sequence(items))?;
            }
            0x85 => self.tuple::<1>()?,
            0x86 => self.tuple::<2>()?,
            0x87 => self.tuple::<3>()?,
            b'd' => {
                let items = self.pop_mark()?;
                self.push(Value::Dict(Vec::new()))?;
                self.set_items(&items)?;
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' | 0x90 => {
                let items = self.pop_mark()?; // APPENDS, ADDITEMS
                self.append(&items)?;
            }
            0x91 => {
                self.pop_mark()?; // FROZENSET
                self.stack.push(INERT);
            }
            b's' => {
                let item = self.pop_many::<2>()?;
                self.set_items(&item)?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.set_items(&items)?;
            }

            b'q' => {
                let index = self.length::<1>()?;
                self.memorize(index)?;
            }
            b'r' => {
                let index = self.length::<4>()?;
                self.memorize(index)?;
            }
            0x94 => self.memorize(self.memo.len())?, // MEMOIZE
            b'h' => {
                let index = self.length::<1>()?;
                self.recall(index)?;
            }
            b'j' => {
                let index = self.length::<4>()?;
                self.recall(index)?;
            }

            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(module, name)?;
            }
            0x93 => {
                let [module, name] = self.pop_many()?; // STACK_GLOBAL
                match (self.value(module), self.value(name)) {
                    (Value::Text(module), Value::Text(name)) => {
                        let (module, name) = (module.clone(), name.clone());
                        self.global(&module, &name)?;
                    }
                    _ => return Err(self.damaged("names a global by something that is no text")),
                }
            }
            b'R' | 0x81 => self.call()?, // REDUCE, NEWOBJ
            b'b' => drop(self.pop()?),   // BUILD: attributes, of which tensors have none
            b'Q' => self.persistent()?,
            _ => return Err(self.damaged(format!("holds the opcode {opcode:#04x}"))),
        }
        Ok(true)
    }
}
