<?php

use Shop\Cart;
use Shop\Item;

class Sale
{
}
