// TypeBook: the types of a Go program as its own runtime describes them, in stripped binaries too:
// names, fields, what a pointer points to; and which types can hold a pointer of a given type at a
// given place. Read from the process once; made at run time (reflect) they are not known. Bytes of
// the process are hostile: what does not look like a type is none. One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "collect/golang/go_process.h"

namespace unclosed {

enum class TypeKind : uint8_t {
  kOther,
  kArray,
  kChannel,
  kFunction,
  kInterface,
  kMap,
  kPointer,
  kSlice,
  kString,
  kStruct,
  kUnsafePointer
};

struct TypeInfo {
  struct Field {
    std::string name;  // "" of an embedded type's: its own name stands in `name`
    uint64_t type = 0, offset = 0;
  };
  uint64_t address = 0;
  TypeKind kind = TypeKind::kOther;
  uint64_t size = 0;
  bool pointers = false;
  std::string name;      // with the import path of its package where it is known: "net/http.conn"
  uint64_t element = 0;  // of a pointer, slice, array, channel; of a map: of its values
  uint64_t key = 0, bucket = 0;  // of a map
  uint64_t length = 0;           // of an array
  std::vector<Field> fields;     // of a struct
};

// A place in a value, as a program would name it.
struct TypePlace {
  std::string path;   // "conn.fd"; "" when it is the value itself
  uint64_t type = 0;  // of the word that is there
};

class TypeBook {
 public:
  static Result<TypeBook> read(GoProcess& process);

  // null: no type is there.
  const TypeInfo* at(uint64_t address);
  // The type that an interface's first word tells of, be it an itab or the type itself; null: it is
  // neither.
  const TypeInfo* of_interface(uint64_t word);
  // The type of the object that an interface value of this type refers to; null: not known.
  const TypeInfo* behind(const TypeInfo& type);
  // Types of this name; there may be several.
  std::vector<const TypeInfo*> named(std::string_view name);
  // The field of `type` that holds the word at `offset`; nullopt: none does.
  std::optional<TypePlace> place_at(const TypeInfo& type, uint64_t offset);

  // Structs that fill an object of `size` bytes, of which the first `header` are not theirs, and
  // that have at `offset` a pointer to `word`, or an interface value of that type.
  std::vector<const TypeInfo*> holding(uint64_t size, uint64_t header, uint64_t offset,
                                       const TypeInfo& word);
  // The type of interface that an itab is for; null: it is none.
  const TypeInfo* interface_of(uint64_t itab);

 private:
  explicit TypeBook(GoProcess& process) : x_process(&process) {}
  std::optional<Bytes> bytes(uint64_t address, uint64_t size) const;
  std::optional<std::string> name_at(uint64_t address) const;
  std::optional<TypeInfo> decode(uint64_t address) const;
  bool decode_fields(TypeInfo& type) const;
  void qualify(TypeInfo& type, uint8_t flags) const;
  void find_all();
  void index();

  struct Itab {
    uint64_t interface = 0, type = 0;
  };
  std::optional<Itab> itab(uint64_t address);

  GoProcess* x_process;
  std::vector<std::byte> x_bytes;  // of x_range
  AddressRange x_range;
  std::unordered_map<uint64_t, std::optional<TypeInfo>> x_types;
  std::unordered_map<uint64_t, std::optional<Itab>> x_itabs;
  std::unordered_multimap<std::string, const TypeInfo*> x_names;
  std::unordered_multimap<uint64_t, const TypeInfo*> x_by_word;  // structs, by offset and word type
  bool x_all = false;
};

}  // namespace unclosed
