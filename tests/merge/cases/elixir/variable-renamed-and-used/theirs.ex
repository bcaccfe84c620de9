defmodule Shop do
  def kept(items) do
    found = []
    found = add(found, items)
    log(found)
    found
  end
end
