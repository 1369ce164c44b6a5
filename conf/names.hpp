// Lists of names: of fields, of cookies, of parameters in a query.
#pragma once

#include "conf/reader.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace weir::conf {

enum class name_kind {
    field,                // in the case of the file
    field_in_lower_case,  // of a request
    keyed_field,          // likewise, and one that may tell stored responses apart
    cookie,
    parameter,         // of a query, as percent-decoded
    parameter_pattern  // the same with a * for any rest at its end
};

// Reads the list at `key` into `out`: each name once, in the order of the file. A name that is none is a fault. Returns
// the list; null, and `out` as it was, where there is none.
const node* read_names(mapping_reader& from, std::string_view key, name_kind kind, std::vector<std::string>& out);

}  // namespace weir::conf
