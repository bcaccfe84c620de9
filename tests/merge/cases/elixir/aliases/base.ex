defmodule Shop do
  alias A.B
end
