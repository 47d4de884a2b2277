// A small checker of JSON Schema, for tests that hold what is printed against docs/schema.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace unclosed {

// As much of JSON Schema as docs/schema uses. Fields that the schema does not name are faults too:
// what is printed is documented.
class SchemaCheck {
 public:
  explicit SchemaCheck(nlohmann::ordered_json schema) : x_schema(std::move(schema)) {}

  std::vector<std::string> faults(const nlohmann::ordered_json& document) {
    x_faults.clear();
    check(document, x_schema, "$");
    return x_faults;
  }

 private:
  static bool has_type(const nlohmann::ordered_json& value, const std::string& type) {
    if (type == "null") return value.is_null();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_boolean();
    if (type == "integer") return value.is_number_integer();
    if (type == "number") return value.is_number();
    if (type == "array") return value.is_array();
    return type == "object" && value.is_object();
  }

  void check(const nlohmann::ordered_json& value, const nlohmann::ordered_json& schema,
             const std::string& path) {
    if (schema.contains("$ref")) {
      const auto name = schema["$ref"].get<std::string>();
      return check(value, x_schema["$defs"][name.substr(name.rfind('/') + 1)], path);
    }
    if (schema.contains("anyOf")) {
      // Always null or something else.
      return value.is_null() ? void() : check(value, schema["anyOf"][1], path);
    }
    if (schema.contains("const") && value != schema["const"]) fault(path, "is not the constant");
    if (schema.contains("enum")) {
      bool found = false;
      for (const auto& legal : schema["enum"]) found = found || value == legal;
      if (!found) fault(path, "is not a legal value: " + value.dump());
    }
    if (schema.contains("type")) {
      const auto types = schema["type"].is_array()
                             ? schema["type"]
                             : nlohmann::ordered_json::array({schema["type"]});
      bool right = false;
      for (const auto& type : types) right = right || has_type(value, type.get<std::string>());
      if (!right) return fault(path, "has another type: " + value.dump());
    }
    if (schema.contains("minimum") && value.is_number() && value < schema["minimum"]) {
      fault(path, "is too small");
    }
    if (value.is_object() && schema.contains("properties")) check_fields(value, schema, path);
    if (value.is_array()) {
      for (const auto& element : value) check(element, schema["items"], path + "[]");
    }
  }

  void check_fields(const nlohmann::ordered_json& value, const nlohmann::ordered_json& schema,
                    const std::string& path) {
    for (const auto& name : schema["required"]) {
      if (!value.contains(name)) fault(path, "lacks " + name.get<std::string>());
    }
    for (const auto& [name, field] : value.items()) {
      if (schema["properties"].contains(name)) {
        check(field, schema["properties"][name], path + "." + name);
      } else {
        fault(path, "has a field that the schema does not name: " + name);
      }
    }
  }

  void fault(const std::string& path, const std::string& text) {
    x_faults.push_back(path + " " + text);
  }

  nlohmann::ordered_json x_schema;
  std::vector<std::string> x_faults;
};

}  // namespace unclosed
