<?php

use Shop\Cart;
use Shop\Item;
use Shop\Tax;

class Sale
{
}
