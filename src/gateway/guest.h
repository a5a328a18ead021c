// The module corral._guest inside every interpreter: its state holds all Python objects that the
// gateways keep, and what user code can ask of the engine. ext/guest_module.cc defines the module;
// each interpreter gets a copy of its own.
#pragma once

#include <Python.h>

#include <array>
#include <functional>
#include <string>
#include <unordered_map>

#include "base/result.h"
#include "http/request.h"
#include "interp/interpreter.h"
#include "interp/reference.h"

namespace corral::gateway {

// What the engine does for user code. Outlives every interpreter; callable from any thread,
// attached or not.
struct Host {
  std::function<bool()> wake_keeper;         // false: this node has none
  std::function<void()> wake_for_cancelled;  // the same keeper
};

// Made by install_guest(), cleared by the module's own m_clear/m_free when the interpreter ends.
struct GuestState {
  const Host* host = nullptr;  // borrowed
  std::string* worker_name = nullptr;
  PyTypeObject* input_type = nullptr;
  PyTypeObject* start_response_type = nullptr;
  PyTypeObject* file_wrapper_type = nullptr;
  PyObject* close_name = nullptr;  // "close", interned
};

// Makes the types; called by the module's exec slot in each interpreter.
int init_guest_state(PyObject* module);
int traverse_guest_state(PyObject* module, visitproc visit, void* arg);
int clear_guest_state(PyObject* module);
void free_guest_state(void* module);
inline GuestState* guest_state(PyObject* module) {
  return static_cast<GuestState*>(PyModule_GetState(module));
}

// Puts corral._guest into sys.modules of the interpreter we are in. Returns the module, or null
// with an exception set.
interp::Ref install_guest(interp::Attached& attached, PyModuleDef* definition, const Host& host,
                          const std::string& worker_name);

}  // namespace corral::gateway
