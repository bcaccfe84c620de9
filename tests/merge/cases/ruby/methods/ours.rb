class Shop
  def open
    true
  end

  def close
    false
  end
end
