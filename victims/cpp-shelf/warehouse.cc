#include "warehouse.h"

std::string Warehouse::stock(ropool::Rope* line, const std::string& book) { return pool_.pull(line, "STOCK " + book); }
