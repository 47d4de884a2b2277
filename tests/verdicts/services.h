// The simulated services: each a course of a real one's habits, leaking or healthy. A test asks
// what the judge says of them over many seeds. One thread.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "verdicts/scenario.h"

namespace unclosed {

struct Service {
  std::string name;
  void (*build)(Scenario&);
  // Of a leaking one: the function to blame ("" for nobody, with a reason), and the least verdict.
  std::string blamed = {};
  Verdict at_least = Verdict::kHealthy;
  Course course = {};
  // Of a healthy one: what some group is said to suffer from; else none is slow or too small.
  Diagnosis diagnosis = Diagnosis::kUnknown;
  bool waits = false;  // answers take long by design, which looks slow
};

inline void PrintTo(const Service& service, std::ostream* out) { *out << service.name; }

const std::vector<Service>& leaking_services();
const std::vector<Service>& healthy_services();
// Of connections that others made to them.
const std::vector<Service>& healthy_servers();
// Of kinds that the judge was not written beside.
const std::vector<Service>& unseen_leaking_services();
const std::vector<Service>& unseen_healthy_services();

}  // namespace unclosed
