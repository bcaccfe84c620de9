<?php

use Shop\Cart;

class Sale
{
}
