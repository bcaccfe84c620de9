defmodule Shop do
  alias A.B
  alias A.D
end
