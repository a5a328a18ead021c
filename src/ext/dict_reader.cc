#include "ext/dict_reader.h"

namespace corral::ext {

std::string to_text(PyObject* object) {
  Py_ssize_t size = 0;
  const char* text = object == nullptr ? nullptr : PyUnicode_AsUTF8AndSize(object, &size);
  return text == nullptr ? std::string() : std::string(text, static_cast<std::size_t>(size));
}

DictReader::DictReader(PyObject* dict) : dict_(dict) {
  if (dict != nullptr && !PyDict_Check(dict)) {
    PyErr_Format(PyExc_TypeError, "expected a dict, not %R", dict);
    dict_ = nullptr;
  }
}

PyObject* DictReader::get(const char* key) {
  if (dict_ == nullptr || PyErr_Occurred()) return nullptr;
  PyObject* value = PyDict_GetItemString(dict_, key);
  if (value == nullptr && !PyErr_Occurred()) PyErr_SetString(PyExc_KeyError, key);
  return value;
}

bool DictReader::has(const char* key) const {
  if (dict_ == nullptr || PyErr_Occurred()) return false;
  return PyDict_GetItemString(dict_, key) != nullptr;
}

std::string DictReader::text(const char* key) { return to_text(get(key)); }

long long DictReader::number(const char* key) {
  PyObject* value = get(key);
  return value == nullptr ? 0 : PyLong_AsLongLong(value);
}

bool DictReader::flag(const char* key) {
  PyObject* value = get(key);
  return value != nullptr && PyObject_IsTrue(value) == 1;
}

void DictReader::list(const char* key, const std::function<void(PyObject*)>& each) {
  PyObject* value = get(key);
  if (value == nullptr) return;
  if (!PyList_Check(value)) {
    PyErr_Format(PyExc_TypeError, "%s must be a list", key);
    return;
  }
  for (Py_ssize_t index = 0; index < PyList_GET_SIZE(value); ++index)
    each(PyList_GET_ITEM(value, index));
}

DictReader DictReader::dict(const char* key) { return DictReader(get(key)); }

}  // namespace corral::ext
