//! An interpreter for the pickles inside PyTorch checkpoints that builds plain values and calls
//! nothing: a global outside the allow list ends the reading.
//!
//! Values live in one arena and refer to each other by index, so neither shared nor nested nor
//! cyclic ones cost more than the opcodes that made them, and dropping them does not recurse.
//! Opcodes: Python's Lib/pickletools.py.

use std::collections::HashMap;
use std::path::Path;

use super::torch_globals::{self, Global, Storage, View};
use crate::error::{Error, Result};

/// An index into [`Pickle::values`].
pub(super) type Id = u32;

/// A tensor makes about 16 values, so this is some 65,000 tensors, and a bound on memory.
const MOST_VALUES: usize = 1 << 20;

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
    let mut machine = Machine {
        path,
        rest: bytes,
        values: vec![Value::Inert],
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    while machine.step()? {}
    Ok(Pickle {
        root: machine.pop()?,
        values: machine.values,
    })
}

/// Every inert value is this one.
const INERT: Id = 0;

struct Machine<'a> {
    path: &'a Path,
    rest: &'a [u8],
    values: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
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

    fn damaged(&self, why: impl Into<String>) -> Error {
        let why = why.into();
        Error::corrupt(
            self.path,
            format!("its pickle {why}; save it again: torch.save(model.state_dict(), path)"),
        )
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| self.damaged("ends early"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// An unsigned number of `N` bytes, little endian.
    fn length<const N: usize>(&mut self) -> Result<usize> {
        let mut wide = [0; 8];
        wide[..N].copy_from_slice(&self.array::<N>()?);
        usize::try_from(u64::from_le_bytes(wide)).map_err(|_| self.damaged("ends early"))
    }

    fn line(&mut self) -> Result<&'a str> {
        let end = self.rest.iter().position(|b| *b == b'\n');
        let end = end.ok_or_else(|| self.damaged("ends early"))?;
        let line = self.take(end)?;
        self.take(1)?;
        std::str::from_utf8(line).map_err(|_| self.damaged("holds a name that is not UTF-8"))
    }

    fn value(&self, id: Id) -> &Value {
        &self.values[id as usize]
    }

    fn push(&mut self, value: Value) -> Result<()> {
        if self.values.len() == MOST_VALUES {
            return Err(self.damaged(format!("holds more than {MOST_VALUES} values")));
        }
        self.stack.push(self.values.len() as Id);
        self.values.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    fn pop_many<const N: usize>(&mut self) -> Result<[Id; N]> {
        let mut ids = [INERT; N];
        for id in ids.iter_mut().rev() {
            *id = self.pop()?;
        }
        Ok(ids)
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>> {
        let mark = self.marks.pop();
        let mark = mark.ok_or_else(|| self.damaged("lacks a mark"))?;
        Ok(self.stack.split_off(mark))
    }

    /// The top of the stack above the last mark.
    fn top(&self) -> Result<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        self.stack[floor..]
            .last()
            .copied()
            .ok_or_else(|| self.damaged("takes from an empty stack"))
    }

    fn inert<const N: usize>(&mut self) -> Result<()> {
        self.take(N)?;
        self.stack.push(INERT);
        Ok(())
    }

    fn bytes<const N: usize>(&mut self) -> Result<()> {
        let length = self.length::<N>()?;
        self.take(length)?;
        self.stack.push(INERT);
        Ok(())
    }

    fn text<const N: usize>(&mut self) -> Result<()> {
        let length = self.length::<N>()?;
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.push(Value::Text(text))
    }

    /// A two's-complement integer; one that does not fit 64 bits is no size, so it is inert.
    fn long(&mut self, length: usize) -> Result<()> {
        let bytes = self.take(length)?;
        if length > 8 {
            self.stack.push(INERT);
            return Ok(());
        }
        let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        wide[..length].copy_from_slice(bytes);
        self.push(Value::Int(i64::from_le_bytes(wide)))
    }

    fn tuple<const N: usize>(&mut self) -> Result<()> {
        let items = self.pop_many::<N>()?;
        self.push(Value::Sequence(items.into()))
    }

    fn append(&mut self, items: &[Id]) -> Result<()> {
        let list = self.top()?;
        match &mut self.values[list as usize] {
            Value::Sequence(list) => list.extend(items),
            Value::Inert => {}
            _ => return Err(self.damaged("appends to what is no list")),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[Id]) -> Result<()> {
        let dict = self.top()?;
        let (pairs, left_over) = items.as_chunks::<2>();
        match &mut self.values[dict as usize] {
            Value::Dict(dict) if left_over.is_empty() => {
                dict.extend(pairs.iter().map(|[key, value]| (*key, *value)));
            }
            Value::Inert => {}
            _ => return Err(self.damaged("sets items of what is no dict")),
        }
        Ok(())
    }

    fn memorize(&mut self, index: usize) -> Result<()> {
        let id = self.top()?;
        self.memo.insert(index as u32, id);
        Ok(())
    }

    fn recall(&mut self, index: usize) -> Result<()> {
        let id = self.memo.get(&(index as u32)).copied();
        let id = id.ok_or_else(|| self.damaged("recalls what it never stored"))?;
        self.stack.push(id);
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<()> {
        match torch_globals::allowed(module, name) {
            Some(global) => self.push(Value::Global(global)),
            None => {
                let full: String = format!("{module}.{name}").chars().take(80).collect();
                Err(Error::Unsupported(format!(
                    "{}: {} would run code; save a plain state dict: torch.save(model.state_dict(), path)",
                    self.path.display(),
                    full.escape_debug()
                )))
            }
        }
    }

    /// Applies a global to a tuple of arguments, both on the stack.
    fn call(&mut self) -> Result<()> {
        let [global, args] = self.pop_many()?;
        let (Value::Global(global), Value::Sequence(args)) = (self.value(global), self.value(args))
        else {
            return Err(self.damaged("calls what is no function"));
        };
        match (*global, args.as_slice()) {
            (Global::OrderedDict, []) => self.push(Value::Dict(Vec::new())),
            (Global::First, [first, ..]) => {
                self.stack.push(*first);
                Ok(())
            }
            (Global::Inert, _) => {
                self.stack.push(INERT);
                Ok(())
            }
            (Global::RebuildTensor { with_dtype }, args) => {
                let view = torch_globals::rebuild_tensor(&self.values, args, with_dtype)
                    .ok_or_else(|| self.damaged("rebuilds a tensor from wrong arguments"))?;
                self.push(Value::Tensor(view))
            }
            _ => Err(self.damaged("calls a function with wrong arguments")),
        }
    }

    /// BINPERSID: PyTorch writes `('storage', class, key, location, count)`.
    fn persistent(&mut self) -> Result<()> {
        let id = self.pop()?;
        let storage = match self.value(id) {
            Value::Sequence(parts) => match parts.as_slice() {
                &[_, class, key, _, count] => {
                    match (self.value(class), self.value(key), self.value(count)) {
                        (
                            Value::Global(Global::Storage(element)),
                            Value::Text(_),
                            &Value::Int(count @ 0..),
                        ) => Some(Storage {
                            key,
                            element: *element,
                            count: count as u64,
                        }),
                        _ => None,
                    }
                }
                _ => None,
            },
            _ => None,
        };
        let storage = storage.ok_or_else(|| self.damaged("names no storage by its reference"))?;
        self.push(Value::Storage(storage))
    }
}
