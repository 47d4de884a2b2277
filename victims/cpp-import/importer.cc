#include "importer.h"

#include <unistd.h>

#include <exception>
#include <stdexcept>

#include "spool.h"

namespace {

constexpr size_t kHeader = 15;

std::string read_header(int file) {
  std::string header = spool::read_exactly(file, kHeader);
  if (header.rfind("DELIVERY ", 0) != 0) throw std::runtime_error("not a delivery");
  return header;
}

}  // namespace

int Importer::open_delivery(const std::string& name) const {
  const int file = spool::open_readonly(folder_ + "/" + name);
  if (file < 0) throw std::runtime_error("no delivery " + name);
  return file;
}

void Importer::import_one(const std::string& name) {
  const int file = open_delivery(name);  // LEAK[opened,used,borrowed]: import-exception
  try {
    const std::string header = read_header(file);
    book(header, spool::read_exactly(file, kHeader + 4000));
  } catch (const std::exception&) {
    if (fixed_) close(file);
    throw;  // the caller counts it as rejected, and the file stays open
  }
  close(file);  // LEAK[closed]: import-exception
}

bool Importer::has_come(const std::string& name) const {
  const int file = open_delivery(name);
  char byte;
  const bool come = pread(file, &byte, 1, 0) == 1;
  close(file);
  return come;
}

void Importer::book(const std::string& header, const std::string& body) {
  for (const char each : body) booked_ = booked_ * 31 + static_cast<unsigned char>(each);
  booked_ += header.size();
}
