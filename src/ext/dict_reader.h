// Reads the plain dicts that cli.py and boot.py hand over. The Python side has checked them; a
// wrong shape is a bug and raises KeyError or TypeError. After a failure further reads return
// defaults; ask ok() once at the end.
#pragma once

#include <Python.h>

#include <functional>
#include <string>

namespace corral::ext {

class DictReader {
 public:
  explicit DictReader(PyObject* dict);  // borrowed

  std::string text(const char* key);
  long long number(const char* key);
  bool flag(const char* key);
  // Calls `each` for every item of a list.
  void list(const char* key, const std::function<void(PyObject* item)>& each);
  DictReader dict(const char* key);
  bool has(const char* key) const;
  // Sets `target` when the key is present.
  template <typename Number>
  void maybe(const char* key, Number& target) {
    if (has(key)) target = static_cast<Number>(number(key));
  }

  // False with a Python exception set when something was missing or of the wrong type.
  static bool ok() { return PyErr_Occurred() == nullptr; }

 private:
  PyObject* get(const char* key);  // borrowed
  PyObject* dict_;
};

std::string to_text(PyObject* object);

}  // namespace corral::ext
